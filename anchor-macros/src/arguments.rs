//! Reads the arguments of every attribute of anchor from one table, which says what arguments an
//! attribute knows and what value each takes. Every mistake is reported at its own token, and
//! reading continues after it.

use std::fmt;

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Result, Token, Type,
    parenthesized,
};

use crate::errors::Errors;
use crate::{duration, suggest};

/// An argument that an attribute knows.
pub(crate) struct Known {
    name: &'static str,
    takes: Takes,
    /// The value as a user would write it.
    example: &'static str,
}

/// What an argument takes after its `=`.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    /// `table = "sessions"`.
    Text,
    /// `migrations = "folder"` or `migrations = false`.
    TextOrFalse,
    /// `idle = "2h"`.
    Duration,
    /// `max_per_subject = 5`.
    Number,
    /// `when = UserSession::is_admin`.
    Predicate,
    /// `role = Role::Admin`.
    Value,
    /// `policy = Admin`.
    Type,
}

impl Known {
    /// `track`.
    pub(crate) const fn flag(name: &'static str) -> Self {
        Self { name, takes: Takes::Nothing, example: "" }
    }

    /// Creates an argument with a value, such as `example`.
    pub(crate) const fn new(name: &'static str, takes: Takes, example: &'static str) -> Self {
        Self { name, takes, example }
    }

    /// Reads what follows the argument's name.
    fn parse(&self, name: &Ident, attribute: &str, input: ParseStream<'_>) -> Result<Given> {
        if input.peek(Token![:]) {
            let colon = input.span();
            skip_value(input)?;
            return Err(Error::new(colon, format_args!("write `=` instead of `:`: `{self}`")));
        }
        let has_equals = input.parse::<Option<Token![=]>>()?.is_some();
        if matches!(self.takes, Takes::Nothing) {
            if !has_equals {
                return Ok(Given::Flag);
            }
            let span = if is_at_end(input) { name.span() } else { input.span() };
            let message = format!("`{name}` takes no value: write `#[{attribute}({name})]`");
            return Err(Error::new(span, message));
        }
        if !has_equals || is_at_end(input) {
            return Err(Error::new(name.span(), format_args!("`{name}` needs a value: `{self}`")));
        }
        if matches!(self.takes, Takes::Type) {
            let span = input.span();
            return input.parse().map(Given::Type).map_err(|_| Error::new(span, self.misfit()));
        }
        let value: Expr = input.parse()?;
        match (self.takes, literal(&value)) {
            (Takes::Text | Takes::TextOrFalse | Takes::Duration, Some(Lit::Str(text)))
                if text.value().trim().is_empty() =>
            {
                let message = format!("`{name}` is empty; write one like `{self}`");
                Err(Error::new_spanned(text, message))
            }
            (Takes::Text | Takes::TextOrFalse, Some(Lit::Str(text))) => {
                Ok(Given::Text(text.clone()))
            }
            (Takes::TextOrFalse, Some(Lit::Bool(written))) if !written.value => Ok(Given::Flag),
            (Takes::Duration, Some(Lit::Str(text))) => {
                Ok(Given::Seconds(duration::seconds(text)?, text.span()))
            }
            (Takes::Number, Some(Lit::Int(number))) => Ok(Given::Number(number.clone())),
            (Takes::Predicate | Takes::Value, literal) if !matches!(literal, Some(Lit::Str(_))) => {
                Ok(Given::Expression(value))
            }
            _ => Err(Error::new_spanned(&value, self.misfit())),
        }
    }

    /// Returns the message that refuses a value of another kind.
    fn misfit(&self) -> String {
        let takes = match self.takes {
            Takes::Nothing => "no value",
            Takes::Text | Takes::Duration => "a text in quotes",
            Takes::TextOrFalse => "a text in quotes or `false`",
            Takes::Number => "a number",
            Takes::Predicate => "a path or a closure, without quotes",
            Takes::Value => "a value of the field's type",
            Takes::Type => "a type or a tuple of types",
        };
        format!("`{}` takes {takes}: `{self}`", self.name)
    }
}

/// The argument as a user would write it.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.takes {
            Takes::Nothing => Ok(()),
            _ => write!(f, " = {}", self.example),
        }
    }
}

/// What followed an argument's name.
pub(crate) enum Given {
    /// Nothing, or `false`.
    Flag,
    Text(LitStr),
    /// A duration, and where it was written.
    Seconds(u64, Span),
    Number(LitInt),
    /// A predicate or a value.
    Expression(Expr),
    Type(Type),
}

/// Where an attribute is written, and which arguments it knows there.
pub(crate) struct Place {
    /// The attribute's name, such as `session`.
    pub(crate) attribute: &'static str,
    pub(crate) known: &'static [Known],
    /// The arguments that the same attribute knows in other places, each list with its place:
    /// `("the struct", ..)`.
    pub(crate) elsewhere: &'static [(&'static str, &'static [Known])],
}

impl Place {
    fn find(&self, name: &Ident) -> Option<&'static Known> {
        self.known.iter().find(|known| *name == known.name)
    }

    fn unknown(&self, name: &Ident) -> Error {
        let attribute = self.attribute;
        let elsewhere = self.elsewhere.iter().find_map(|(there, known)| {
            known.iter().find(|known| *name == known.name).map(|known| (there, known))
        });
        let message = match elsewhere {
            Some((there, known)) => {
                format!("`{name}` belongs on {there}: write `#[{attribute}({known})]` there")
            }
            None if self.known.is_empty() => {
                format!("`#[{attribute}]` takes no arguments here; remove it")
            }
            None => {
                let names: Vec<_> = self.known.iter().map(|known| known.name).collect();
                suggest::unknown(&name.to_string(), &names)
            }
        };
        Error::new(name.span(), message)
    }

    fn without_list(&self, meta: &Meta) -> Error {
        let attribute = self.attribute;
        let message = match self.known.first() {
            Some(known) => format!("expected arguments in parentheses: `#[{attribute}({known})]`"),
            None => format!("`#[{attribute}]` takes no arguments here; remove it"),
        };
        Error::new_spanned(meta, message)
    }
}

/// The arguments that were given, in the order in which they were written. Each of them is known,
/// has a value of the right kind, and is given once.
#[derive(Default)]
pub(crate) struct Arguments {
    given: Vec<(Ident, Given)>,
    /// All names that were written, including those that were refused.
    mentioned: Vec<Ident>,
}

impl Arguments {
    /// Reads every attribute that has the place's name.
    pub(crate) fn read(attributes: &[Attribute], place: &Place, errors: &mut Errors) -> Self {
        let mut arguments = Self::default();
        for attribute in attributes.iter().filter(|one| one.path().is_ident(place.attribute)) {
            match &attribute.meta {
                Meta::List(list) => {
                    each(list.tokens.clone(), errors, |input| arguments.parse(place, input));
                }
                other => errors.push(place.without_list(other)),
            }
        }
        arguments
    }

    /// Reads one argument.
    pub(crate) fn parse(&mut self, place: &Place, input: ParseStream<'_>) -> Result<()> {
        // `crate` is a keyword, but here it is the name of an argument.
        let name = Ident::parse_any(input)
            .map_err(|error| Error::new(error.span(), "expected an argument's name"))?;
        self.mentioned.push(name.clone());
        let Some(known) = place.find(&name) else {
            skip_value(input)?;
            return Err(place.unknown(&name));
        };
        if self.name(known.name).is_some() {
            skip_value(input)?;
            return Err(Error::new(name.span(), format_args!("`{name}` is given twice; keep one")));
        }
        let given = known.parse(&name, place.attribute, input)?;
        self.given.push((name, given));
        Ok(())
    }

    /// Returns the text of an argument, if it was given. `false` has no text.
    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        match self.given(name)? {
            Given::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the seconds of a duration and where it was written, if it was given.
    pub(crate) fn seconds(&self, name: &str) -> Option<(u64, Span)> {
        match self.given(name)? {
            Given::Seconds(seconds, span) => Some((*seconds, *span)),
            _ => None,
        }
    }

    /// Returns the number of an argument, if it was given.
    pub(crate) fn number(&self, name: &str) -> Option<&LitInt> {
        match self.given(name)? {
            Given::Number(number) => Some(number),
            _ => None,
        }
    }

    fn given(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, given)| given)
    }

    /// Returns the name of an argument as it was written, if it was given.
    pub(crate) fn name(&self, name: &str) -> Option<&Ident> {
        self.names().find(|given| *given == name)
    }

    /// Returns whether an argument was written at all, even with a wrong value.
    pub(crate) fn is_mentioned(&self, name: &str) -> bool {
        self.mentioned.iter().any(|mentioned| mentioned == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Ident> {
        self.given.iter().map(|(name, _)| name)
    }
}

impl IntoIterator for Arguments {
    type Item = (Ident, Given);
    type IntoIter = std::vec::IntoIter<(Ident, Given)>;

    fn into_iter(self) -> Self::IntoIter {
        self.given.into_iter()
    }
}

/// Returns the literal if the expression is one, even if a `macro_rules!` macro passed it on.
fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

fn is_at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Skips `= value` or `: value`, including the commas between the arguments of a closure.
fn skip_value(input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    let has_sign = ahead.parse::<Token![=]>().is_ok() || ahead.parse::<Token![:]>().is_ok();
    if has_sign && ahead.parse::<Expr>().is_ok() && is_at_end(&ahead) {
        input.advance_to(&ahead);
    }
    while !is_at_end(input) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Runs `parse` on each part of a comma-separated list. After a part that does not parse, it
/// continues after the next comma.
pub(crate) fn each(
    tokens: TokenStream,
    errors: &mut Errors,
    mut parse: impl FnMut(ParseStream<'_>) -> Result<()>,
) {
    let parser = |input: ParseStream<'_>| {
        let list;
        parenthesized!(list in input);
        while !list.is_empty() {
            let parsed = parse(&list).and_then(|()| {
                if is_at_end(&list) { Ok(()) } else { Err(list.error("expected a comma")) }
            });
            if let Err(error) = parsed {
                errors.push(error);
                while !is_at_end(&list) {
                    list.parse::<TokenTree>()?;
                }
            }
            list.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    // The parser adds its errors to `errors` and consumes all its input.
    let _: Result<()> = parser.parse2(ended_by_its_last_token(tokens));
}

/// Puts the tokens into parentheses at the place of the last token. An argument that lacks its end
/// is then reported there. At the end of a whole input, syn reports it at the macro's call, which
/// is the `derive` far from the attribute.
fn ended_by_its_last_token(tokens: TokenStream) -> TokenStream {
    let last = tokens.clone().into_iter().last();
    let mut list = Group::new(Delimiter::Parenthesis, tokens);
    list.set_span(last.map_or_else(Span::call_site, |token| token.span()));
    TokenTree::Group(list).into()
}
