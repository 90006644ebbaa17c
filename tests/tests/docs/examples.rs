//! Every public item that an application uses is shown in an example that is compiled.
//!
//! The sources are read as they are, without rustdoc. `unreachable_pub` is on, so an item that is
//! `pub` in the sources is one of the library's interface.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, ImplItem, Item, Lit, Meta, Token, Type, Visibility};

use super::{markdown, read, root};

/// Files and folders of `anchor/src` whose items an application does not use, and why.
const NOT_FOR_APPLICATIONS: &[(&str, &str)] = &[
    ("column/", "`Column` has an example of an implementation by hand, and the derive has one"),
    ("conformance/", "for authors of stores: `conformance!` has an example"),
    ("migrate/migrations_of.rs", "what the test calls that the derive writes"),
    ("openapi/aide.rs", "`describe_extractor` is hidden; the methods have examples"),
    ("openapi/document.rs", "the bound of `describe_in`, which has an example for each document"),
    ("payload/codec.rs", "what the derive calls"),
    ("private.rs", "what the macros' expansions name"),
    ("properties.rs", "checks for fuzzing"),
    ("schema/", "what the derive declares; `Schema` has an example"),
    ("store/changes.rs", "for authors of stores"),
    ("store/identity.rs", "for authors of stores"),
    ("store/mod.rs", "for authors of stores"),
    ("store/new_session.rs", "for authors of stores"),
    ("store/notices.rs", "for authors of stores"),
    ("store/placement.rs", "for authors of stores"),
    ("store/redis/properties.rs", "checks for fuzzing"),
    ("store/secrets.rs", "for authors of stores"),
    ("store/sql/cluster.rs", "sealed"),
    ("store/sql/driver.rs", "sealed: what the SQL stores need of a pool"),
    ("store/sql/mysql.rs", "sealed"),
    ("store/sql/postgres.rs", "sealed"),
    ("store/sql/properties.rs", "checks for fuzzing"),
    ("store/sql/statement.rs", "sealed"),
    ("store/sql/subject_lock.rs", "sealed"),
    ("store/sql/transactions.rs", "sealed: the bound of `SessionTransaction`"),
    ("store/uses.rs", "for authors of stores"),
];

const BOUND: &str = "a bound that the compiler names; nobody writes it";
const CALLED_BY_MACROS: &str = "what the macros' expansions name";
const NAME: &str = "a name; the table of `anchor::metrics` says what it counts";
const OF_STORES: &str =
    "for authors of stores: an application calls the methods of `SessionManager`";
const RETURNED: &str = "what a method returns that has an example";

/// Items that need no example, and why. A method is written with its type.
const WITHOUT_EXAMPLE: &[(&str, &str)] = &[
    ("AllMethods", BOUND),
    ("Checking", RETURNED),
    ("ClientInfo::LONGEST_USER_AGENT", "a number"),
    ("Declaration", BOUND),
    ("DeclaredHandlers", BOUND),
    ("DeclaredRoutes", BOUND),
    ("DeclaredService", BOUND),
    ("FirstArgument", BOUND),
    ("Guard", BOUND),
    ("Guarded", RETURNED),
    ("GuardedHandler", BOUND),
    ("IncludeSafe", BOUND),
    ("Listed::cut", OF_STORES),
    ("Loaded", OF_STORES),
    ("LoginPage", CALLED_BY_MACROS),
    ("NoArgument", BOUND),
    ("OPERATIONS_FAILED", NAME),
    ("Page", OF_STORES),
    ("Page::MOST", OF_STORES),
    ("Page::after", OF_STORES),
    ("Page::cursor", OF_STORES),
    ("Page::first", OF_STORES),
    ("Page::limit", OF_STORES),
    ("Page::limited", OF_STORES),
    ("Presented::collect", "the example of `Frontend` calls it"),
    ("Reaches", CALLED_BY_MACROS),
    ("RequireAny", "the argument of a guard without a type; `Require` has an example"),
    ("ResponseHead", BOUND),
    ("RevokeAny", "the argument of a logout without a type; `Revoke` has an example"),
    ("SESSIONS_LIVE", NAME),
    ("SESSIONS_REFUSED", NAME),
    ("SESSIONS_SWEPT", NAME),
    ("Sealed", BOUND),
    ("SessionService", RETURNED),
    ("UnsafeMethods", BOUND),
    ("allow_if", CALLED_BY_MACROS),
    ("extract_optional", CALLED_BY_MACROS),
    ("requires_predicate", CALLED_BY_MACROS),
    ("requires_role", CALLED_BY_MACROS),
];

/// An item of the interface.
#[derive(Debug)]
struct Public {
    /// `Type::method`, or the name alone.
    name: String,
    /// The type whose method or constant it is.
    owner: Option<String>,
    file: String,
    /// The code of its own compiled examples.
    examples: String,
    /// What a call or a mention of it looks like.
    mentions: Vec<String>,
}

/// What the sources declare.
#[derive(Default)]
struct Sources {
    items: Vec<Public>,
    /// The code of the examples that belong to a type: its own, and its methods'.
    of_type: BTreeMap<String, String>,
    /// The code of all examples.
    all: String,
    ignored: Vec<String>,
}

impl Sources {
    fn read(folder: &Path) -> Self {
        let mut sources = Self::default();
        sources.read_folder(folder, folder);
        sources
    }

    fn read_folder(&mut self, folder: &Path, base: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read_folder(&path, base);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(base).unwrap().to_str().unwrap().replace('\\', "/");
                self.read_text(&name, &read(&path));
            }
        }
    }

    fn read_text(&mut self, file: &str, text: &str) {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let examples = self.examples(file, &parsed.attrs);
        self.all += &examples;
        self.read_items(file, &parsed.items);
    }

    fn read_items(&mut self, file: &str, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(it) if !is_hidden(&it.attrs) => {
                    let items = it.content.as_ref().map_or(&[][..], |(_, items)| items);
                    self.read_items(file, items);
                }
                Item::Struct(it) => self.add(file, None, &it.ident, &it.vis, &it.attrs),
                Item::Enum(it) => self.add(file, None, &it.ident, &it.vis, &it.attrs),
                Item::Trait(it) => self.add(file, None, &it.ident, &it.vis, &it.attrs),
                Item::Type(it) => self.add(file, None, &it.ident, &it.vis, &it.attrs),
                Item::Const(it) => self.add(file, None, &it.ident, &it.vis, &it.attrs),
                Item::Fn(it) => self.add(file, None, &it.sig.ident, &it.vis, &it.attrs),
                Item::Impl(it) if it.trait_.is_none() => {
                    let Type::Path(of) = &*it.self_ty else { continue };
                    let of = of.path.segments.last().unwrap().ident.to_string();
                    for item in &it.items {
                        let (name, vis, attrs) = match item {
                            ImplItem::Fn(it) => (&it.sig.ident, &it.vis, &it.attrs),
                            ImplItem::Const(it) => (&it.ident, &it.vis, &it.attrs),
                            _ => continue,
                        };
                        self.add(file, Some(&of), name, vis, attrs);
                    }
                }
                _ => {}
            }
        }
    }

    fn add(
        &mut self,
        file: &str,
        owner: Option<&str>,
        name: &syn::Ident,
        visibility: &Visibility,
        attributes: &[Attribute],
    ) {
        if !matches!(visibility, Visibility::Public(_)) || is_hidden(attributes) {
            return;
        }
        let name = name.to_string();
        let examples = self.examples(file, attributes);
        self.all += &examples;
        *self.of_type.entry(owner.unwrap_or(&name).to_owned()).or_default() += &examples;
        let mentions = match owner {
            Some(_) => vec![format!(".{name}("), format!("::{name}("), format!("::{name}")],
            None => vec![name.clone()],
        };
        let owner = owner.map(str::to_owned);
        let name = owner.iter().chain([&name]).cloned().collect::<Vec<_>>().join("::");
        self.items.push(Public { name, owner, file: file.to_owned(), examples, mentions });
    }

    /// The code of the compiled examples in these attributes.
    fn examples(&mut self, file: &str, attributes: &[Attribute]) -> String {
        let documentation: Vec<_> = attributes.iter().filter_map(doc_line).collect();
        let mut code = String::new();
        for block in markdown::blocks(&documentation.join("\n")) {
            let words: Vec<_> = block.language.split(',').map(str::trim).collect();
            if words.iter().any(|word| word.starts_with("ignore")) {
                self.ignored.push(format!("{file}: {}", block.code));
            } else if ["", "rust", "no_run", "should_panic"].contains(&words[0]) {
                code += &block.code;
            }
        }
        code
    }

    /// The items that no example shows.
    fn not_shown(&self) -> BTreeSet<&str> {
        let is_shown = |item: &&Public| {
            let elsewhere = match &item.owner {
                Some(owner) => &self.of_type[owner],
                None => &self.all,
            };
            let is_mentioned = |mention: &String| has_word(elsewhere, mention);
            !item.examples.is_empty() || item.mentions.iter().any(is_mentioned)
        };
        let is_for_applications =
            |item: &&Public| !NOT_FOR_APPLICATIONS.iter().any(|(at, _)| item.file.starts_with(at));
        let items = self.items.iter().filter(is_for_applications);
        items.filter(|item| !is_shown(item)).map(|item| &*item.name).collect()
    }
}

/// The text of a `///` or `//!` line, or of one that a feature turns on.
fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let parts = parts.ok()?;
            let is_without_feature = parts.first()?.path().is_ident("not");
            parts.iter().skip(1).find_map(text_of_doc).filter(|_| !is_without_feature)
        }
        line => text_of_doc(line),
    }
}

fn text_of_doc(attribute: &Meta) -> Option<String> {
    let Meta::NameValue(meta) = attribute else { return None };
    match &meta.value {
        Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) if meta.path.is_ident("doc") => {
            Some(line.value())
        }
        _ => None,
    }
}

/// Whether an item is hidden from the documentation, or is a test.
fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("doc") => list.tokens.to_string() == "hidden",
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition.contains("test") && !condition.contains("testing")
        }
        _ => false,
    })
}

/// Whether the code has this text, which is not part of a longer name.
fn has_word(code: &str, text: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(text).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + text.len()..]);
        let begins = !text.starts_with(is_of_name) || !before.ends_with(is_of_name);
        let ends = !text.ends_with(is_of_name) || !after.starts_with(is_of_name);
        begins && ends
    })
}

#[test]
fn an_example_shows_every_item_that_an_application_uses() {
    let sources = Sources::read(&root().join("anchor/src"));
    assert!(sources.items.len() > 400, "only {} items were found", sources.items.len());
    let mut not_shown = sources.not_shown();
    let mut needless = Vec::new();
    for (name, reason) in WITHOUT_EXAMPLE {
        if !not_shown.remove(name) {
            needless.push(format!("{name} ({reason})"));
        }
    }
    assert!(
        not_shown.is_empty(),
        "no compiled example shows these {} items; write one, or, if it would say nothing, add the \
         item to `WITHOUT_EXAMPLE` with the reason: {not_shown:#?}",
        not_shown.len()
    );
    assert!(needless.is_empty(), "an example shows these by now: {needless:#?}");
    for (at, reason) in NOT_FOR_APPLICATIONS {
        let is_there = root().join("anchor/src").join(at).exists();
        assert!(is_there, "`{at}` ({reason}) is gone");
    }
}

#[test]
fn every_macro_has_an_example_of_its_own() {
    let sources = Sources::read(&root().join("anchor-macros/src"));
    let macros: Vec<_> = sources.items.iter().filter(|item| item.file == "lib.rs").collect();
    assert_eq!(macros.len(), 5, "{macros:#?}");
    for item in macros {
        assert!(!item.examples.is_empty(), "`{}` has no compiled example", item.name);
    }
}

#[test]
fn no_example_is_ignored() {
    for folder in ["anchor/src", "anchor-macros/src"] {
        let ignored = Sources::read(&root().join(folder)).ignored;
        assert!(ignored.is_empty(), "{folder}: {ignored:#?}");
    }
}

#[test]
fn an_item_without_an_example_is_found() {
    let mut sources = Sources::default();
    sources.read_text(
        "shop.rs",
        "/// ```\n/// Shop::open().close();\n/// ```\n\
         pub struct Shop;\n\
         impl Shop {\n\
             pub fn open() {}\n\
             pub fn close(self) {}\n\
             pub fn close_early(self) {}\n\
             pub(crate) fn count(self) {}\n\
         }\n\
         /// ```ignore\n/// Till\n/// ```\n\
         pub struct Till;\n\
         #[cfg(test)]\n\
         pub fn of_a_test() {}\n\
         #[doc(hidden)]\n\
         pub fn hidden() {}\n",
    );
    assert_eq!(sources.not_shown(), BTreeSet::from(["Shop::close_early", "Till"]));
    assert_eq!(sources.ignored.len(), 1);
}
