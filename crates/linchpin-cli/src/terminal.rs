//! Text for the terminal at which somebody reads it.

use std::io::{self, IsTerminal as _};

/// Breaks lines between words where stdout is a terminal; what goes elsewhere is left alone.
pub(crate) fn fit(text: String) -> String {
    if !io::stdout().is_terminal() {
        return text;
    }
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((width, _)) => wrap(&text, usize::from(width.0)),
        None => text,
    }
}

/// Breaks lines between words. A line goes on under its last column; code, which is set in by four blanks, stays as it is.
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with("    ") || line.trim_end().chars().count() <= width {
            out.push_str(line);
            continue;
        }
        let (key, text) = line.split_at(last_column(line, width / 2));
        let hang = key.chars().count();
        let mut at = 0;
        for word in text.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if at == 0 {
                out.push_str(key);
                at = hang;
            } else if at + length > width {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', hang));
                at = hang;
            }
            out.push_str(word);
            at += word.chars().count();
        }
    }
    out
}

/// Where the text behind the last run of blanks begins, if that is not too far to the right.
fn last_column(line: &str, most: usize) -> usize {
    let mut columns = line.rmatch_indices("  ").map(|(at, blanks)| at + blanks.len());
    columns.find(|at| *at <= most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_under_their_last_column() {
        let text = "a line that is long\n  labels   Labels (Text list). Without the right\n    code is left alone as it is\n";
        let expected = "a line that is long\n  labels   Labels (Text\n           list). Without\n           the right\n    code is left alone as it is\n";
        assert_eq!(wrap(text, 25), expected);
        assert_eq!(wrap("one two three", 7), "one two\nthree");
        assert_eq!(wrap("a_word_that_never_ends and more\n", 7), "a_word_that_never_ends\nand\nmore\n");
    }

    #[test]
    fn no_word_is_lost_at_any_width() {
        let text = "LP101  error    a key is n\u{f6}t known\n  key  caf\u{e9} (Text, required). One or more words of help.\n\n";
        for width in 1..60 {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&wrap(text, width)), words(text), "{width}");
        }
    }
}
