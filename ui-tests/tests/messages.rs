//! Every mistake has its message, at the user's token, with what to write instead.

#[test]
fn every_mistake_has_its_message() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
