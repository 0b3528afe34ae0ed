//! Texts from elsewhere, made fit for one line of a message.

/// A text without line breaks, control characters and letters that nobody sees, of so many characters at the most.
///
/// What a service says must neither move a terminal's cursor nor fill its screen.
pub fn one_line(text: &str, longest: usize) -> String {
    let letters = text.chars().take(longest).filter(|letter| !unseen(*letter));
    let words: String = letters.map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Letters that turn the direction of a text or have no width: a text with them reads as another.
pub(crate) fn unseen(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(
            one_line("  the\u{1b}[2J\r\ntitle \u{202e} is   missing ", 99),
            "the [2J title is missing"
        );
        assert_eq!(one_line("naïve words", 5), "naïve");
    }
}
