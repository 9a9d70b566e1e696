//! The codes of evaluation: E05xx.

crate::codes! {
    OVERFLOW = "E0501" Error "a number that is too large";
    DIVISION = "E0502" Error "a division by zero";
    NO_SUCH_INDEX = "E0503" Error "an index that is not there";
    NO_SUCH_FIELD = "E0504" Error "a field that is not there";
    OF_NULL = "E0505" Error "a field of null";
    WRONG_KIND = "E0506" Error "a value of another type";
    EMPTY_PLACEMENT = "E0507" Error "a placement without sites";
    UNSATISFIABLE = "E0508" Error "a placement that nothing satisfies";
    DOES_NOTHING = "E0509" Error "a placement that accepts doing nothing";
    TANGLED = "E0510" Error "a placement that is too entangled";
    SAME_INSTANCE = "E0511" Error "two sites that are the same service instance";
    NOT_OFFERED = "E0512" Error "a site that does not offer the service";
    NO_SCOPE = "E0513" Error "an operation without a scope";
    ASSERTION = "E0514" Error "an assertion that does not hold";
    TOO_DEEP = "E0515" Error "calls nested too deeply";
    TOO_LONG = "E0516" Error "a program that does not end";
    TOO_LARGE = "E0517" Error "a value that is too large";
    SECRET_SHOWN = "E0518" Error "a secret in a text";
    MISSING_INPUT = "E0520" Error "an input without a value";
    NOT_YET = "E0521" Error "a value that is not there yet";
    OWED = "E0522" Error "a decision on what is owed";
    NO_SUCH_SITE = "E0523" Error "a site that is not there";
    BAD_JSON = "E0524" Error "a text that is not JSON";
    BAD_COUNT = "E0525" Error "a count that makes no sense";
    READ_PLACEMENT = "E0526" Error "a read that would make something absent";
    FINAL_PLACEMENT = "E0527" Error "a final operation that may end elsewhere";
    ELSEWHERE = "E0528" Error "an operation away from its resource";
    BAD_DOCUMENT = "E0529" Error "a document that describes nothing";
    OUT_OF_SCOPE = "E0530" Error "a document whose group has no place";
    DISTRUST = "E0531" Error "a site that does not know the person";
}
