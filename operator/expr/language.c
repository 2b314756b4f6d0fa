// The rows of the language's tables.
#include "operator/expr/language.h"

#include <string.h>

#include "operator/expr/expr.h"

const rwd_expr_operator_row rwd_expr_operators[RWD_EXPR_OPERATOR_COUNT] = {
#define ROW(id, text, rank, form, takes, doc) {text, rank, RWD_EXPR_##form, takes, doc},
    RWD_EXPR_OPERATOR_TABLE(ROW)
#undef ROW
};

const rwd_expr_function_row rwd_expr_functions[RWD_EXPR_FUNCTION_COUNT] = {
#define ROW(id, name, least, most, call, gives, doc) {name, least, most, call, gives, doc},
    RWD_EXPR_FUNCTION_TABLE(ROW)
#undef ROW
};

bool rwd_expr_is_word(const char *text, size_t size) {
    static const char *const words[] = {
#define ROW(word) word,
        RWD_EXPR_WORD_TABLE(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == size && memcmp(words[i], text, size) == 0) return true;
    return false;
}
