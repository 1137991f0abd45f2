//! The Python literals that headers are made of: strings, numbers, True, False, tuples, lists, dictionaries.
//!
//! Crates that read them refuse what NumPy reads (`3L`), or take exponential time on brackets that nobody closes.

/// Brackets within brackets: a header has two, that of a structured type some more.
const MOST_DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Flag(bool),
    /// `None` where it is negative, or beyond 64 bits.
    Number(Option<u64>),
    /// A tuple or a list.
    List(Vec<Literal>),
    Dictionary(Vec<(Literal, Literal)>),
    /// Python's None.
    Nothing,
}

/// The literal that this text is, with white space around.
pub(crate) fn parse(text: &str) -> Result<Literal, String> {
    let mut parser = Parser { rest: text };
    let literal = parser.literal(0)?;
    match parser.next() {
        None => Ok(literal),
        Some(_) => Err(parser.unexpected("the end")),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// What is next, but for white space; it is left there.
    fn next(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let there = self.next() == Some(wanted);
        if there {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        there
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found: String = self.rest.chars().take(12).collect();
        match found.is_empty() {
            true => format!("it ends where {wanted} was expected"),
            false => format!("{found:?} stands where {wanted} was expected"),
        }
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > MOST_DEPTH {
            return Err(format!("brackets are nested more than {MOST_DEPTH} deep"));
        }
        match self.next() {
            Some('\'' | '"') => self.text(),
            Some('(') => self.list('(', ')', depth),
            Some('[') => self.list('[', ']', depth),
            Some('{') => self.dictionary(depth),
            _ => self.word(),
        }
    }

    fn text(&mut self) -> Result<Literal, String> {
        let mut chars = self.rest.char_indices();
        let quote = chars.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((at, next)) = chars.next() {
            match next {
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                next if Some(next) == quote => {
                    self.rest = &self.rest[at + next.len_utf8()..];
                    return Ok(Literal::Text(text));
                }
                next => text.push(next),
            }
        }
        Err("a string is not closed".into())
    }

    /// A tuple or a list; but a value in round brackets without a comma is the value.
    fn list(&mut self, open: char, close: char, depth: usize) -> Result<Literal, String> {
        self.takes(open);
        let mut items = Vec::new();
        loop {
            if self.takes(close) {
                return Ok(Literal::List(items));
            }
            items.push(self.literal(depth + 1)?);
            let comma = self.takes(',');
            if !comma && !self.takes(close) {
                return Err(self.unexpected("a comma or a bracket"));
            }
            if !comma {
                return match items.pop() {
                    Some(only) if open == '(' && items.is_empty() => Ok(only),
                    last => Ok(Literal::List(items.into_iter().chain(last).collect())),
                };
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Literal, String> {
        self.takes('{');
        let mut entries = Vec::new();
        loop {
            if self.takes('}') {
                return Ok(Literal::Dictionary(entries));
            }
            let key = self.literal(depth + 1)?;
            if !self.takes(':') {
                return Err(self.unexpected("a colon"));
            }
            entries.push((key, self.literal(depth + 1)?));
            if !self.takes(',') && self.next() != Some('}') {
                return Err(self.unexpected("a comma or a bracket"));
            }
        }
    }

    /// A number, True, False or None. Python 2 wrote long numbers as `3L`.
    fn word(&mut self) -> Result<Literal, String> {
        let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
        let end = self.rest.find(|c| !of_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let literal = match word {
            "True" => Literal::Flag(true),
            "False" => Literal::Flag(false),
            "None" => Literal::Nothing,
            _ => {
                let number = word.strip_suffix(['L', 'l']).unwrap_or(word);
                let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
                let is_whole = |c: char| c.is_ascii_digit() || c == '_';
                if digits.is_empty() || !digits.chars().all(is_whole) {
                    return Err(self.unexpected("a value"));
                }
                Literal::Number(number.replace('_', "").parse().ok())
            }
        };
        self.rest = rest;
        Ok(literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u64) -> Literal {
        Literal::Number(Some(n))
    }

    #[test]
    fn literals_are_read_as_python_reads_them() {
        for (text, expected) in [
            (" (3L, 4L, ) ", Literal::List(vec![number(3), number(4)])),
            ("(3)", number(3)),
            ("(3,)", Literal::List(vec![number(3)])),
            ("[3]", Literal::List(vec![number(3)])),
            ("()", Literal::List(vec![])),
            ("1_000", number(1000)),
            ("-1", Literal::Number(None)),
            ("99999999999999999999", Literal::Number(None)),
            ("\"a'b\"", Literal::Text("a'b".into())),
            (r"'a\'b'", Literal::Text("a'b".into())),
            ("None", Literal::Nothing),
            (
                "{'a': True, 'b': ()}",
                Literal::Dictionary(vec![
                    (Literal::Text("a".into()), Literal::Flag(true)),
                    (Literal::Text("b".into()), Literal::List(vec![])),
                ]),
            ),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_at_once() {
        for text in [
            "",
            "(",
            "(3",
            "(3 4)",
            "(,)",
            "{3}",
            "{3: }",
            "'a",
            "'a\\",
            "3 4",
            "3.0",
            "x",
            "-",
            "{'a': 1 'b': 2}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for bracket in ["(", "[", "{1:", "(1,"] {
            let error = parse(&bracket.repeat(9000)).unwrap_err();
            assert!(error.contains("brackets"), "{error}");
        }
    }
}
