//! The codes of service descriptions: E03xx. Up to E0339 they are mistakes of a description's text; from E0340 on they
//! are met when a description is used.

crate::codes! {
    MISPLACED_CLAUSE = "E0301" Error "a clause that has no meaning here";
    MISPLACED_WORD = "E0302" Error "a word that has no meaning in this clause";
    CLAUSE_VALUE = "E0303" Error "a clause with the wrong kind of value";
    REPEATED_CLAUSE = "E0304" Error "a clause given twice";
    NO_UNDO = "E0305" Error "an operation that does not say how it is undone";
    UNKNOWN_TEMPLATE_NAME = "E0306" Error "an unknown name in a description";
    UNKNOWN_FUNCTION = "E0307" Error "an unknown function in a description, or too many or too few arguments";
    UNKNOWN_TYPE = "E0308" Error "an unknown type in a description";
    UNKNOWN_SHAPE = "E0309" Error "an unknown shape";
    BAD_VERSION = "E0310" Error "a version that cannot be read";
    UNKNOWN_ANSWER_KIND = "E0311" Error "an unknown kind of answer";
    UNKNOWN_RESOURCE_FIELD = "E0312" Error "an unknown field of a resource";
    DECLARED_TWICE = "E0313" Error "something declared twice in a description";
    RESERVED_OPERATION = "E0314" Error "an operation that every resource has by itself";
    INCOMPLETE = "E0315" Error "a description with something missing";
    FOREIGN_EXPRESSION = "E0316" Error "an expression that descriptions do not have";
    UNKNOWN_DESCRIBED = "E0317" Error "an operation or resource that is not described";
    DESCRIBED_OTHERWISE = "E0318" Error "a resource that another description has otherwise";
    CANNOT_RENDER = "E0340" Error "a request that cannot be made";
    UNEXPECTED_ANSWER = "E0341" Error "an answer that is not what the description says";
    TOO_OLD = "E0342" Error "a site whose version is too old";
}
