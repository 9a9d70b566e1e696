//! The codes of lexing, parsing and formatting: E01xx.

crate::codes! {
    STRANGE_CHARACTER = "E0101" Error "a character that has no meaning";
    UNCLOSED_TEXT = "E0102" Error "a string that is not closed";
    UNCLOSED = "E0103" Error "a bracket that is not closed";
    STRAY_CLOSER = "E0104" Error "a closing bracket too many";
    TOO_DEEP = "E0105" Error "too many open brackets";
    WRONG_QUOTES = "E0106" Error "the wrong quotation marks";
    BAD_UNIT = "E0107" Error "a unit that does not exist";
    OUT_OF_RANGE = "E0108" Error "a number that is too large";
    BAD_ESCAPE = "E0109" Error "an escape that does not exist";
    UNEXPECTED = "E0110" Error "something else was expected";
    NO_SEPARATOR = "E0111" Error "two statements on one line";
    MIXED_OPERATORS = "E0112" Error "operators mixed without parentheses";
    CHAINED_COMPARISON = "E0113" Error "comparisons in a chain";
    XOR_CHAIN = "E0114" Error "a chain of `xor` without parentheses";
    EQUALS = "E0115" Error "`=` where nothing is defined";
    WORD_OPERATOR = "E0116" Error "an operator written as a word";
    QUERY_IN_LIST = "E0117" Error "a query with commas inside a list";
    RESERVED_WORD = "E0118" Error "a word of the language used as a name";
    FOREIGN_COMMENT = "E0119" Error "a comment of another language";
    TEXT_TOO_LARGE = "E0120" Error "a text that is too large";
    REPEATED_POLICY = "E0121" Error "a second placement on one operation";
    LAYOUT_CHANGED = "E0190" Error "a layout that would change the program";
}
