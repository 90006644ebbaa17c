//! The files that a change is written as.

use super::deployment::{Deployment, Moment};
use super::diff::Diff;
use super::error::MigrateError;
use super::folder::Draft;
use super::plan::{Allowed, Plan};
use super::refusal::Refusal;
use super::state::{Answer, State};
use super::{name, write};
use crate::schema::{Schema, Table};

/// One of the files that a change is written as.
struct Step {
    moment: Moment,
    table: Table,
    description: String,
    up: write::Script,
    down: write::Script,
}

/// The migrations that lead from the last state to the schema.
pub(super) fn next(
    head: &State,
    schema: &Schema,
    allowed: Allowed,
) -> Result<Vec<Draft>, MigrateError> {
    let diff = between(head, schema)?;
    let mut table = diff.new.clone();
    let mut steps = Vec::new();
    if diff.is_forgetting() {
        steps.push(Step {
            moment: Moment::Before,
            table: table.clone(),
            description: format!("forget_renames_of_{}", name::word(table.bare_name())),
            up: write::forget(),
            down: write::forget(),
        });
    } else if !diff.is_empty() {
        let plan = Plan::forward(diff, head, schema, allowed);
        let plan = plan.map_err(|refusals| refused(schema, refusals))?;
        table = plan.diff.new.clone();
        steps = change(plan);
    }
    if allowed.drops {
        steps.extend(Plan::drop_leaving(&table).as_ref().map(after));
    }
    Ok(numbered(head, schema, steps))
}

/// The files of a change, but for what comes after its deployment.
fn change(plan: Plan) -> Vec<Step> {
    let (plan, replaced) = write::replaced_indexes(plan);
    let whole = plan.diff.new.clone();
    let indexes = write::indexes(&plan);
    let plan = match indexes {
        Some(_) => Plan { diff: plan.diff.without_new_indexes(), ..plan },
        None => plan,
    };
    let back = Plan::backward(&plan.diff);
    let (moment, suffix) = match plan.deployment {
        Deployment::Before => (Moment::Before, ""),
        Deployment::BeforeAndAfter => (Moment::Before, Moment::Before.suffix()),
        Deployment::Downtime => (Moment::Downtime, ""),
    };
    let mut steps = vec![Step {
        moment,
        table: plan.diff.new.clone(),
        description: name::of_change(&plan.diff) + suffix,
        up: write::change(&plan),
        down: write::change(&back),
    }];
    let bare = name::word(whole.bare_name());
    if let Some((up, down)) = indexes {
        let description = format!("index_{bare}");
        steps.push(Step { moment: Moment::Along, table: whole.clone(), description, up, down });
    }
    if let Some(up) = write::validate(&plan) {
        let (description, down) = (format!("validate_{bare}"), write::validate_back());
        steps.push(Step { moment: Moment::Along, table: whole, description, up, down });
    }
    if let Some(plan) = replaced {
        steps.push(Step {
            moment: Moment::Along,
            table: plan.diff.new.clone(),
            description: format!("unindex_{bare}"),
            up: write::change(&plan),
            down: write::change(&Plan::backward(&plan.diff)),
        });
    }
    steps
}

/// The drop of the columns that are leaving.
fn after(plan: &Plan) -> Step {
    Step {
        moment: Moment::After,
        table: plan.diff.new.clone(),
        description: name::of_change(&plan.diff) + Moment::After.suffix(),
        up: write::change(plan),
        down: write::change(&Plan::backward(&plan.diff)),
    }
}

/// The files of a change, each on top of the one before it. What is applied after the deployment
/// stands alone, so that it can be replaced alone.
fn numbered(head: &State, schema: &Schema, steps: Vec<Step>) -> Vec<Draft> {
    let is_together = |step: &Step| step.moment != Moment::After;
    let of = steps.iter().filter(|step| is_together(step)).count();
    let mut parent = head.hash();
    let mut drafts = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        let number = (of > 1 && is_together(&step)).then_some((at + 1, of));
        let Step { moment, table, description, up, down } = step;
        let answers = Answer::of(schema);
        let state = State { table, answers, parent: Some(parent), beside: None, step: number };
        parent = state.hash();
        let up = file(&state, &up.text_after(moment.words()));
        drafts.push(Draft { description, moment, up, down: down.text_after(moment.words_back()) });
    }
    drafts
}

pub(super) fn file(state: &State, sql: &str) -> String {
    format!("{}\n{sql}", state.header())
}

pub(super) fn between(old: &State, schema: &Schema) -> Result<Diff, MigrateError> {
    Diff::between(old, schema).map_err(|refusals| refused(schema, refusals))
}

pub(super) fn refused(schema: &Schema, refusals: Vec<Refusal>) -> MigrateError {
    MigrateError::Refused { table: schema.table.to_owned(), refusals, newest: None }
}
