//! `#[session(name, name = "text")]`: reading lists of known arguments. Every mistake is reported at its own token, and reading goes on after it.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Result, Token};

use crate::errors::Errors;
use crate::suggest;

/// An argument that an attribute knows.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// The argument as a user would write it; with a `=` when it takes a text or a number, and ending in `= false` when it takes that too.
    pub(crate) example: &'static str,
}

impl Known {
    pub(crate) const fn new(name: &'static str, example: &'static str) -> Self {
        Self { name, example }
    }

    fn form(&self) -> Form {
        match self.example.split_once("= ") {
            None => Form::Name,
            Some((_, value)) if value.starts_with('"') || value == "false" => Form::Text,
            Some(_) => Form::Number,
        }
    }

    fn takes_false(&self) -> bool {
        self.example.ends_with("= false")
    }
}

/// What stands behind an argument's name.
enum Form {
    Name,
    Text,
    Number,
}

/// What stood there.
enum Given {
    Name,
    Text(LitStr),
    Number(LitInt),
}

/// Where an attribute stands, and what it knows there.
pub(crate) struct Place {
    /// The attribute's name: `session` or `column`.
    pub(crate) attribute: &'static str,
    pub(crate) known: &'static [Known],
    /// What the same attribute knows elsewhere, and where that is: `("the struct", ..)`.
    pub(crate) elsewhere: &'static [(&'static str, &'static [Known])],
}

/// The arguments that were given, each known, in its form, and once.
pub(crate) struct Arguments {
    given: Vec<(Ident, Given)>,
    /// Also those that were not in their form.
    mentioned: Vec<String>,
}

impl Arguments {
    /// Reads every attribute of the place's name.
    pub(crate) fn read(attributes: &[Attribute], place: &Place, errors: &mut Errors) -> Self {
        let mut arguments = Self { given: Vec::new(), mentioned: Vec::new() };
        for attribute in attributes {
            if attribute.path().is_ident(place.attribute) {
                match &attribute.meta {
                    Meta::List(list) => each(list.tokens.clone(), errors, |input, errors| {
                        let argument = Argument::parse(input)?;
                        arguments.add(argument, place, errors);
                        Ok(())
                    }),
                    other => errors.at(
                        other,
                        format_args!(
                            "expected arguments in parentheses: `#[{}({})]`",
                            place.attribute, place.known[0].example
                        ),
                    ),
                }
            }
        }
        arguments
    }

    fn add(&mut self, argument: Argument, place: &Place, errors: &mut Errors) {
        let name = argument.name.to_string();
        self.mentioned.push(name.clone());
        let Some(known) = place.known.iter().find(|known| known.name == name) else {
            let names: Vec<_> = place.known.iter().map(|known| known.name).collect();
            let elsewhere = place.elsewhere.iter().find_map(|(there, known)| {
                known.iter().find(|known| known.name == name).map(|known| (there, known.example))
            });
            return errors.at(
                &argument.name,
                match elsewhere {
                    Some((there, example)) => format!(
                        "`{name}` belongs on {there}: write `#[{}({example})]` there",
                        place.attribute
                    ),
                    None => suggest::unknown(&name, &names),
                },
            );
        };
        if self.given.iter().any(|(given, _)| *given == name) {
            return errors.at(&argument.name, format_args!("`{name}` is given twice; keep one"));
        }
        let given = match (known.form(), argument.value) {
            (Form::Name, None) => Given::Name,
            (Form::Text, Some(value)) if known.takes_false() && is_false(&value) => Given::Name,
            (Form::Text, Some(value)) => match text(&value) {
                Some(text) if text.value().trim().is_empty() => {
                    return errors.at(
                        text,
                        format_args!("`{name}` is empty; write one like `{}`", known.example),
                    );
                }
                Some(text) => Given::Text(text),
                None => {
                    let or_false = if known.takes_false() { " or `false`" } else { "" };
                    return errors.at(
                        value,
                        format_args!(
                            "`{name}` takes a text in quotes{or_false}: `{}`",
                            known.example
                        ),
                    );
                }
            },
            (Form::Number, Some(value)) => match number(&value) {
                Some(number) => Given::Number(number),
                None => {
                    return errors
                        .at(value, format_args!("`{name}` takes a number: `{}`", known.example));
                }
            },
            (Form::Text | Form::Number, None) => {
                return errors.at(
                    &argument.name,
                    format_args!("`{name}` needs a value: `{}`", known.example),
                );
            }
            (Form::Name, Some(value)) => {
                return errors.at(
                    value,
                    format_args!("`{name}` takes no value: write `#[{}({name})]`", place.attribute),
                );
            }
        };
        self.given.push((argument.name, given));
    }

    /// The text of an argument, if it was given; `false` has none.
    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        match self.given(name)? {
            Given::Text(text) => Some(text),
            Given::Name | Given::Number(_) => None,
        }
    }

    /// The number of an argument, if it was given.
    pub(crate) fn number(&self, name: &str) -> Option<&LitInt> {
        match self.given(name)? {
            Given::Number(number) => Some(number),
            Given::Name | Given::Text(_) => None,
        }
    }

    fn given(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, given)| given)
    }

    /// The name of an argument as it was written, if it was given.
    pub(crate) fn name(&self, name: &str) -> Option<&Ident> {
        self.given.iter().map(|(given, _)| given).find(|given| *given == name)
    }

    /// Whether an argument was written at all, be it wrongly.
    pub(crate) fn is_mentioned(&self, name: &str) -> bool {
        self.mentioned.iter().any(|mentioned| mentioned == name)
    }

    /// All names, in the order in which they were written.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Ident> {
        self.given.iter().map(|(name, _)| name)
    }
}

/// `name` or `name = value`.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
}

impl Argument {
    pub(crate) fn parse(input: ParseStream<'_>) -> Result<Self> {
        // `crate` is a keyword, and a name here.
        let name = Ident::parse_any(input)
            .map_err(|error| Error::new(error.span(), "expected an argument's name"))?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) if input.is_empty() => {
                return Err(Error::new(name.span(), format_args!("`{name} =` lacks its value")));
            }
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { name, value })
    }
}

fn is_false(value: &Expr) -> bool {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => !value.value,
        Expr::Group(group) => is_false(&group.expr),
        _ => false,
    }
}

/// The string literal that an expression is, also when a `macro_rules!` passed it on.
pub(crate) fn text(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        Expr::Group(group) => text(&group.expr),
        _ => None,
    }
}

/// The integer literal that an expression is, also when a `macro_rules!` passed it on.
fn number(value: &Expr) -> Option<LitInt> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => Some(number.clone()),
        Expr::Group(group) => number(&group.expr),
        _ => None,
    }
}

/// Runs `parse` on each part of a comma-separated list. After a part that does not parse, it goes on behind the next comma.
pub(crate) fn each(
    tokens: TokenStream,
    errors: &mut Errors,
    mut parse: impl FnMut(ParseStream<'_>, &mut Errors) -> Result<()>,
) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let parsed = parse(input, errors).and_then(|()| match input.peek(Token![,]) {
                true => Ok(()),
                false if input.is_empty() => Ok(()),
                false => Err(input.error("expected a comma")),
            });
            if let Err(error) = parsed {
                errors.push(error);
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    // The parser reports into `errors` and consumes all its input.
    let _: Result<()> = parser.parse2(tokens);
}
