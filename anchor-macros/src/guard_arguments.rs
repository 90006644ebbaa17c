//! What stands in `#[require_session(..)]` and `#[logout(..)]`: a type first, then `name = value`.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, LitStr, Result, Token, Type};

use crate::arguments::{each, text};
use crate::errors::Errors;
use crate::{duration, krate, suggest};

pub(crate) struct GuardArguments {
    pub(crate) session: Option<Type>,
    pub(crate) policies: Vec<Policy>,
    /// The login page: `redirect = "/login"`.
    pub(crate) redirect: Option<LitStr>,
    /// A word that stands alone: `all`, `others`.
    pub(crate) word: Option<Ident>,
    /// Where anchor's private module is.
    pub(crate) private: TokenStream,
}

/// What must hold of a session beyond its being live, and the name that asked for it.
pub(crate) struct Policy {
    pub(crate) name: Ident,
    pub(crate) kind: PolicyKind,
}

pub(crate) enum PolicyKind {
    /// `when = path_or_closure`.
    When(Expr),
    /// `policy = Type`.
    Type(Type),
    /// `role = Role::Admin`.
    Role(Expr),
    /// `fresh = "10m"`, in seconds.
    Fresh(u64),
}

/// A name that the attribute knows, and how it is written.
type Known = (&'static str, &'static str);

impl GuardArguments {
    /// Reads `tokens`, where `known` names take a value and `words` stand alone.
    pub(crate) fn read(
        tokens: TokenStream,
        known: &[Known],
        words: &[&str],
        errors: &mut Errors,
    ) -> Self {
        let mut reader = Reader { known, words, first: true, ..Reader::default() };
        each(tokens, errors, |input, _| reader.part(input));
        let Reader { session, policies, redirect, word, krate, .. } = reader;
        let private = krate::private(krate.as_ref(), Span::call_site(), errors);
        Self { session, policies, redirect, word, private }
    }
}

#[derive(Default)]
struct Reader<'a> {
    known: &'a [Known],
    words: &'a [&'a str],
    first: bool,
    session: Option<Type>,
    policies: Vec<Policy>,
    redirect: Option<LitStr>,
    word: Option<Ident>,
    krate: Option<LitStr>,
}

impl Reader<'_> {
    fn part(&mut self, input: ParseStream<'_>) -> Result<()> {
        let first = std::mem::replace(&mut self.first, false);
        let is_named =
            input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
        match is_named {
            true => self.named(input),
            false => self.session(input, first),
        }
    }

    fn session(&mut self, input: ParseStream<'_>, first: bool) -> Result<()> {
        let fork = input.fork();
        if let Ok(word) = fork.call(Ident::parse_any)
            && (fork.is_empty() || fork.peek(Token![,]))
            && word.to_string().starts_with(|first: char| first.is_ascii_lowercase())
        {
            input.call(Ident::parse_any)?;
            return self.lone_word(word);
        }
        let span = input.span();
        let session = input.parse().map_err(|_| {
            Error::new(span, "expected the session's type, without quotes, as `UserSession`")
        })?;
        if !first {
            let message = match self.session {
                Some(_) => "the session's type is given already",
                None => "the session's type comes first",
            };
            return Err(Error::new(span, message));
        }
        self.session = Some(session);
        Ok(())
    }

    /// A lower-case word alone is no type: it is one of the attribute's own, or a mistake.
    fn lone_word(&mut self, word: Ident) -> Result<()> {
        let written = word.to_string();
        if let Some((name, example)) = self.known.iter().find(|(name, _)| written == *name) {
            let message = format!("`{name}` needs a value: `{example}`");
            return Err(Error::new(word.span(), message));
        }
        if !self.words.contains(&written.as_str()) {
            let names: Vec<_> = self
                .words
                .iter()
                .copied()
                .chain(self.known.iter().map(|(name, _)| *name))
                .collect();
            return Err(Error::new(word.span(), suggest::unknown(&written, &names)));
        }
        if let Some(given) = self.word.replace(word) {
            let message = match given == written {
                true => format!("`{given}` is given twice; keep one"),
                false => format!(
                    "`{given}` is given already: `{}` are one or the other",
                    self.words.join("` and `")
                ),
            };
            return Err(Error::new_spanned(&self.word, message));
        }
        Ok(())
    }

    fn named(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let written = name.to_string();
        let Some((_, example)) = self.known.iter().find(|(known, _)| written == *known) else {
            let names: Vec<_> = self.known.iter().map(|(known, _)| *known).collect();
            skip_value(input)?;
            return Err(Error::new(name.span(), suggest::unknown(&written, &names)));
        };
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new(
                name.span(),
                format_args!("`{written}` needs a value: `{example}`"),
            ));
        }
        let given = self.policies.iter().any(|policy| policy.name == name)
            || (written == "redirect" && self.redirect.is_some())
            || (written == "crate" && self.krate.is_some());
        let kind = match written.as_str() {
            "when" => {
                let predicate: Expr = input.parse()?;
                if text(&predicate).is_some() {
                    let message =
                        format!("`when` takes a path or a closure, without quotes: `{example}`");
                    return Err(Error::new_spanned(predicate, message));
                }
                PolicyKind::When(predicate)
            }
            "role" => {
                let role: Expr = input.parse()?;
                if text(&role).is_some() {
                    let message = format!("`role` takes a value of the field's type: `{example}`");
                    return Err(Error::new_spanned(role, message));
                }
                PolicyKind::Role(role)
            }
            "policy" => {
                let span = input.span();
                PolicyKind::Type(input.parse().map_err(|_| {
                    Error::new(
                        span,
                        format_args!("`policy` takes a type or a tuple of types: `{example}`"),
                    )
                })?)
            }
            _ => {
                let value: Expr = input.parse()?;
                let Some(text) = text(&value) else {
                    let message = format!("`{written}` takes a text in quotes: `{example}`");
                    return Err(Error::new_spanned(value, message));
                };
                if given {
                    return Err(twice(&name));
                }
                match written.as_str() {
                    "crate" => {
                        self.krate = Some(text);
                        return Ok(());
                    }
                    "redirect" => {
                        self.redirect = Some(page(text)?);
                        return Ok(());
                    }
                    _ => {}
                }
                PolicyKind::Fresh(duration::seconds(&text)?)
            }
        };
        if given {
            return Err(twice(&name));
        }
        self.policies.push(Policy { name, kind });
        Ok(())
    }
}

fn twice(name: &Ident) -> Error {
    Error::new(name.span(), format_args!("`{name}` is given twice; keep one"))
}

/// A page of the application itself: a browser that is sent elsewhere would not come back to where it was going.
fn page(path: LitStr) -> Result<LitStr> {
    let text = path.value();
    let in_path = |c: char| c.is_ascii_graphic() && !"\\\"<>#".contains(c);
    if text.starts_with('/') && !text.starts_with("//") && text.chars().all(in_path) {
        return Ok(path);
    }
    Err(Error::new_spanned(
        path,
        "`redirect` takes the path of a page of this application, which begins with one `/`: `redirect = \"/login\"`",
    ))
}

fn skip_value(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
