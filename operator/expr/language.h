// The language as tables: the parser, the checks, the messages and the manual go by them.
//
// Thread: any; constants.
#ifndef OPERATOR_EXPR_LANGUAGE_H
#define OPERATOR_EXPR_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

// Operators: id, spelling, rank (higher binds tighter), form, what it takes and gives, what it does. Those of one rank group from left to right; comparisons do
// not chain.
#define RWD_EXPR_OPERATOR_TABLE(X)                                                                                                                      \
    X(OR, "or", 1, INFIX, "bool or bool: bool", "true if either is true; null if neither is and one is null; what follows a true is not evaluated")      \
    X(AND, "and", 2, INFIX, "bool and bool: bool", "false if either is false; null if neither is and one is null; what follows a false is not evaluated") \
    X(NOT, "not", 3, PREFIX, "not bool: bool", "the opposite; null stays null")                                                                         \
    X(EQ, "==", 4, INFIX, "any == same kind: bool", "equal: numbers by value, strings and bytes byte by byte")                                          \
    X(NE, "!=", 4, INFIX, "any != same kind: bool", "not equal")                                                                                        \
    X(LT, "<", 4, INFIX, "number, string, time < same kind: bool", "less; strings are ordered by code points, whatever the locale")                     \
    X(LE, "<=", 4, INFIX, "number, string, time <= same kind: bool", "less or equal")                                                                   \
    X(GT, ">", 4, INFIX, "number, string, time > same kind: bool", "greater")                                                                           \
    X(GE, ">=", 4, INFIX, "number, string, time >= same kind: bool", "greater or equal")                                                                \
    X(IN, "in", 4, LIST, "any in (same kind, ...): bool", "equal to one of them, as `==` and `or` would tell; `not in` is its opposite")                \
    X(IS_NULL, "is null", 4, POSTFIX, "any is null: bool", "whether there is no value; never null itself; `is not null` is its opposite")               \
    X(ADD, "+", 5, INFIX, "number + number, time + int: time, string + string: string",                                                                 \
      "sum (the larger scale); a time moved by microseconds, as in `ts + 1h`; strings one behind the other")                                            \
    X(SUB, "-", 5, INFIX, "number - number, time - int: time, time - time: int", "difference; between times in microseconds")                           \
    X(MUL, "*", 6, INFIX, "number * number", "product; scales add up, to 18 at most")                                                                   \
    X(DIV, "/", 6, INFIX, "number / number: decimal or float",                                                                                          \
      "quotient, half-even at the larger scale of the two, at least 6; `round(a / b, N)` divides straight to N digits; by zero is an error of the event") \
    X(NEG, "-", 7, PREFIX, "- number", "the negative")

// Functions: id, name, least and most arguments, how it is called, what it gives, what it does.
#define RWD_EXPR_FUNCTION_TABLE(X)                                                                                                                      \
    X(IF, "if", 3, 3, "if(bool, a, b)", "as a and b", "a where the condition is true, b where it is false or null; only the one chosen is evaluated")     \
    X(COALESCE, "coalesce", 2, RWD_EXPR_ITEMS_MAX, "coalesce(a, b, ...)", "as they", "the first that is not null; what follows it is not evaluated")    \
    X(LOWER, "lower", 1, 1, "lower(string)", "string", "each code point's simple lower-case mapping (Unicode); no locale")                              \
    X(UPPER, "upper", 1, 1, "upper(string)", "string", "each code point's simple upper-case mapping (Unicode); no locale")                              \
    X(STARTS_WITH, "starts_with", 2, 2, "starts_with(string, beginning)", "bool", "whether the first begins with the second")                          \
    X(LEN, "len", 1, 1, "len(string or bytes)", "int", "code points of a string, bytes of bytes")                                                       \
    X(ABS, "abs", 1, 1, "abs(number)", "as the number", "without its sign")                                                                             \
    X(ROUND, "round", 1, 2, "round(number), round(number, N)", "int, decimal(N)", "half-even to a whole number, or to N digits (0 to 18, written out)")  \
    X(INT, "int", 1, 1, "int(number)", "int", "without its fraction, towards zero")                                                                     \
    X(FLOAT, "float", 1, 1, "float(number)", "float", "the nearest float")

// Words that are never names by themselves; as names they stand in backticks.
#define RWD_EXPR_WORD_TABLE(X) X("and") X("or") X("not") X("in") X("is") X("null") X("true") X("false")

// Literals: how they look, their type.
#define RWD_EXPR_LITERAL_TABLE(X)                                                                                                     \
    X("12", "int", "a decimal or a float where one is needed")                                                                        \
    X("12.50", "decimal(2)", "as many digits as are written, 18 at most; beside a float, a float")                                     \
    X("1.5e3", "float", "with an exponent")                                                                                           \
    X("\"text\", 'text'", "string", "escapes as in JSON, and `\\'`; beside a time, an RFC 3339 time; beside bytes, their UTF-8 bytes") \
    X("250ms, 90s, 1h30m, 7d", "int", "a duration in microseconds")                                                                    \
    X("true, false", "bool", "")                                                                                                      \
    X("null", "as needed", "no value")

// The grammar, one rule a row; which words and signs are infix and prefix operators, and how they group, is in their table.
#define RWD_EXPR_GRAMMAR_TABLE(X)                                                                                            \
    X("expression", "prefix { infix prefix | 'is' [ 'not' ] 'null' | [ 'not' ] 'in' list }")                                  \
    X("prefix    ", "( 'not' | '-' ) prefix | primary")                                                                      \
    X("primary   ", "literal | name | function list | plugin '.' function list | metadata | '(' expression ')'")             \
    X("list      ", "'(' expression { ',' expression } ')'")                                                                 \
    X("metadata  ", "'event_time' | 'record' '.' ( 'key' | 'offset' | 'timestamp' | 'header' '(' string ')' )")              \
    X("name      ", "a letter or '_', then letters, digits and '_'; or anything between backticks")

typedef enum rwd_expr_form { RWD_EXPR_INFIX, RWD_EXPR_PREFIX, RWD_EXPR_POSTFIX, RWD_EXPR_LIST } rwd_expr_form;

typedef enum rwd_expr_operator {
#define RWD_EXPR_OPERATOR_ENUM(id, text, rank, form, takes, doc) RWD_EXPR_##id,
    RWD_EXPR_OPERATOR_TABLE(RWD_EXPR_OPERATOR_ENUM)
#undef RWD_EXPR_OPERATOR_ENUM
        RWD_EXPR_OPERATOR_COUNT
} rwd_expr_operator;

typedef enum rwd_expr_function {
#define RWD_EXPR_FUNCTION_ENUM(id, name, least, most, call, gives, doc) RWD_EXPR_FN_##id,
    RWD_EXPR_FUNCTION_TABLE(RWD_EXPR_FUNCTION_ENUM)
#undef RWD_EXPR_FUNCTION_ENUM
        RWD_EXPR_FUNCTION_COUNT
} rwd_expr_function;

typedef struct rwd_expr_operator_row { const char *text; int rank; rwd_expr_form form; const char *takes, *doc; } rwd_expr_operator_row;
typedef struct rwd_expr_function_row { const char *name; unsigned least, most; const char *call, *gives, *doc; } rwd_expr_function_row;

extern const rwd_expr_operator_row rwd_expr_operators[RWD_EXPR_OPERATOR_COUNT];
extern const rwd_expr_function_row rwd_expr_functions[RWD_EXPR_FUNCTION_COUNT];

// What can only be an operator or a literal's word.
bool rwd_expr_is_word(const char *text, size_t size);

#endif
