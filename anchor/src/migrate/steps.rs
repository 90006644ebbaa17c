//! [`Step`]: one file of a change. A change has several files if a part of it needs its own
//! transaction, or is applied after the deployment.

use super::deployment::{Deployment, Moment};
use super::diff::Diff;
use super::error::MigrateError;
use super::folder::Draft;
use super::plan::{Allowed, Plan};
use super::refusal::Refusal;
use super::state::{Answer, State};
use super::{name, write};
use crate::schema::{Schema, Table};

/// One of the files of a change.
struct Step {
    moment: Moment,
    table: Table,
    description: String,
    up: write::Script,
    down: write::Script,
}

impl Step {
    /// Returns the file that carries out a plan.
    fn of(plan: &Plan, moment: Moment, description: String) -> Self {
        Self {
            moment,
            table: plan.diff.new.clone(),
            description,
            up: write::change(plan),
            down: write::change(&Plan::backward(&plan.diff)),
        }
    }
}

/// Returns the migrations that lead from a table's current state to the schema.
pub(super) fn next(
    head: &State,
    schema: &Schema,
    allowed: Allowed,
) -> Result<Vec<Draft>, MigrateError> {
    let diff = difference(head, schema)?;
    let mut table = diff.new.clone();
    let mut steps = Vec::new();
    if !diff.keeps_table() {
        let plan = Plan::forward(diff, head, schema, allowed);
        let plan = plan.map_err(|refusals| refused(schema, refusals))?;
        table = plan.diff.new.clone();
        steps = change(plan);
    } else if !diff.forgotten.is_empty() {
        steps.push(Step {
            moment: Moment::Before,
            table: table.clone(),
            description: format!("forget_renames_of_{}", name::word(table.bare_name())),
            up: write::forget(),
            down: write::forget(),
        });
    }
    if let Some(plan) = Plan::drop_leaving(&table).filter(|_| allowed.drops) {
        let description = name::of_change(&plan.diff) + Moment::After.suffix();
        steps.push(Step::of(&plan, Moment::After, description));
    }
    Ok(numbered(head, schema, steps))
}

/// Returns the files of a change, except the one that is applied after the deployment.
fn change(plan: Plan) -> Vec<Step> {
    let (plan, replaced) = write::replaced_indexes(plan);
    let table = plan.diff.new.clone();
    let indexes = write::indexes(&plan);
    let plan = match indexes {
        Some(_) => Plan { diff: plan.diff.without_new_indexes(), ..plan },
        None => plan,
    };
    let (moment, suffix) = match plan.deployment {
        Deployment::Before => (Moment::Before, ""),
        Deployment::BeforeAndAfter => (Moment::Before, Moment::Before.suffix()),
        Deployment::Downtime => (Moment::Downtime, ""),
    };
    let mut steps = vec![Step::of(&plan, moment, name::of_change(&plan.diff) + suffix)];
    let named = |verb: &str| format!("{verb}_{}", name::word(table.bare_name()));
    let mut follow = |verb: &str, up, down| {
        let (moment, table, description) = (Moment::WithPrevious, table.clone(), named(verb));
        steps.push(Step { moment, table, description, up, down });
    };
    if let Some((up, down)) = indexes {
        follow("index", up, down);
    }
    if let Some(up) = write::validate(&plan) {
        follow("validate", up, write::validate_back());
    }
    steps.extend(replaced.map(|plan| Step::of(&plan, Moment::WithPrevious, named("unindex"))));
    steps
}

/// Returns the migrations of a change, each of which follows the previous one. The file that is
/// applied after the deployment is not counted with the others, so that it can be replaced alone.
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
        let up = file(&state, &up.text_after(moment.comment()));
        drafts.push(Draft {
            description,
            moment,
            up,
            down: down.text_after(moment.down_comment()),
        });
    }
    drafts
}

/// Returns a file's text: the header, then the SQL.
pub(super) fn file(state: &State, sql: &str) -> String {
    format!("{}\n{sql}", state.header())
}

/// Returns what changes between a table's state and the schema.
pub(super) fn difference(old: &State, schema: &Schema) -> Result<Diff, MigrateError> {
    Diff::between(old, schema).map_err(|refusals| refused(schema, refusals))
}

/// Returns the error for a struct that leaves questions open.
pub(super) fn refused(schema: &Schema, refusals: Vec<Refusal>) -> MigrateError {
    MigrateError::Refused { table: schema.table.to_owned(), refusals, newest: None }
}
