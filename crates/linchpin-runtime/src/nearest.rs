//! What a wrong name was probably meant to be.

/// The candidate that is nearest to a name, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = name.chars().count() / 3 + 1;
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How a message goes on about an unknown name: with what was probably meant, or all that there is.
pub(crate) fn remedy<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(meant) = nearest(name, candidates.clone()) {
        return format!("did you mean `{meant}`?");
    }
    let all: Vec<String> = candidates.into_iter().map(|candidate| format!("`{candidate}`")).collect();
    if all.is_empty() { "there are none".to_owned() } else { format!("there are: {}", all.join(", ")) }
}

/// The least number of letters to insert, delete, change or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in to.iter().enumerate() {
            let mut cost = (row[j] + usize::from(letter != other)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *letter == to[j - 1] && from[i - 1] == *other {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["title", "body", "labels"];
        assert_eq!(nearest("tilte", names), Some("title"));
        assert_eq!(nearest("label", names), Some("labels"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(remedy("colour", names), "there are: `title`, `body`, `labels`");
        assert_eq!(remedy("x", []), "there are none");
    }
}
