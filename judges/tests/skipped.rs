//! The last line of a test run: how many tests were skipped because a foreign program is missing, and which.

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let skipped = test_judges::take_skipped();
    if skipped.is_empty() {
        println!("\nskipped tests: none\n");
        return;
    }
    let names: Vec<_> = skipped.iter().map(|(test, reason)| format!("{test} ({reason})")).collect();
    println!("\nskipped tests: {}: {}\n", names.len(), names.join(", "));
}
