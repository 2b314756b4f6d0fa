// What the files of this room share: tokens, the tree, the program.
//
// A text becomes tokens (lex.c), a tree (parse.c), a typed tree with conversions (check.c), a normal form (canonical.c), a folded tree and a program (emit.c,
// compile.c), which eval.c runs. The tree lives in the expression's arena.
//
// Thread: compiling, one at a time.
#ifndef OPERATOR_EXPR_EXPR_PRIVATE_H
#define OPERATOR_EXPR_EXPR_PRIVATE_H

#include "operator/expr/expr.h"
#include "operator/expr/language.h"

#define RWD_EXPR_DIVISION_SCALE 6u           // of a quotient at least, where `round` states none
#define RWD_TYPE_NULL RWD_TYPE_COUNT         // of the literal `null` until a neighbour gives it a type
#define RWD_EXPR_SHOWN 40                    // bytes of a word that a message shows

// ---- tokens

typedef enum rwd_token_kind {
    RWD_TOKEN_END, RWD_TOKEN_WORD, RWD_TOKEN_QUOTED_NAME, RWD_TOKEN_NUMBER, RWD_TOKEN_DURATION, RWD_TOKEN_STRING, RWD_TOKEN_SIGN,
} rwd_token_kind;

typedef struct rwd_token {
    rwd_token_kind kind;
    rwd_slice text;     // as written; of a string or quoted name: what it says
    uint32_t column;
} rwd_token;

typedef struct rwd_lexer {
    const uint8_t *start, *at, *end;
    const uint8_t *counted;  // up to here columns are counted
    uint32_t column;         // code points before `counted`
    rwd_arena *arena;
} rwd_lexer;

// What a compilation needs to know, and where it writes an error.
typedef struct rwd_compile {
    const rwd_expr_scope *scope;
    rwd_arena *arena;
    rwd_lexer lexer;
    rwd_token token;         // the next one
    unsigned depth;          // of the parser's calls
    uint32_t column;         // of the error
    rwd_error *err;
} rwd_compile;

// Ends a function with an error at a column.
#define RWD_EXPR_FAIL(c, at, ...) ((c)->column = (at), rwd_fail((c)->err, RWD_E_CONFIG, __VA_ARGS__))

// The next token into c->token.
RWD_MUST bool rwd_lex(rwd_compile *c);

// ---- tree

typedef enum rwd_node_kind {
    RWD_NODE_CONSTANT, RWD_NODE_NAME, RWD_NODE_META, RWD_NODE_OPERATOR, RWD_NODE_FUNCTION, RWD_NODE_CONVERT, RWD_NODE_EXTERN,
} rwd_node_kind;

// How a literal was written, for the normal form.
typedef enum rwd_literal { RWD_LITERAL_NONE, RWD_LITERAL_PLAIN, RWD_LITERAL_DURATION } rwd_literal;

typedef struct rwd_expr_node {
    rwd_node_kind kind;
    uint8_t id;               // rwd_expr_operator, rwd_expr_function or rwd_expr_meta
    rwd_literal literal;      // of a constant
    bool negated;             // `not in`, `is not null`
    bool fused;               // a product or quotient that `round` around it gave its scale
    bool nullable;
    bool beside_text;         // a name that is compared with a string: may be meant as one
    rwd_type type;
    uint8_t scale;
    uint16_t depth;
    uint32_t column;
    uint32_t slot;            // of a name
    rwd_slice name;           // of a name or header
    rwd_value value;          // of a constant
    const rwd_expr_extern *external;
    struct rwd_expr_node **args;
    uint32_t arg_count;
} rwd_expr_node;

RWD_MUST bool rwd_expr_parse(rwd_compile *c, const char *text, rwd_expr_node **out);
// Gives every node its type; puts conversions where types need them. `*root` may be replaced.
RWD_MUST bool rwd_expr_check(rwd_compile *c, rwd_expr_node **root);
// Replaces what is constant by its value; CONFIG if that value is an error.
RWD_MUST bool rwd_expr_fold(rwd_compile *c, rwd_expr_node **root);
void rwd_expr_canonical(const rwd_expr_node *root, rwd_buf *out);
rwd_expr_node *rwd_expr_node_new(rwd_compile *c, rwd_node_kind kind, uint8_t id, uint32_t column, uint32_t arg_count);

// ---- program

// Operands stand at an offset from one of these.
typedef enum rwd_base { RWD_BASE_VALUES, RWD_BASE_CONSTANTS, RWD_BASE_REGISTERS, RWD_BASE_OUT } rwd_base;

// Where the operands of an instruction with two of them stand. What expressions are mostly made of has a function for each, which finds its operands without the
// bases: F a field, C a constant, O the program's answer; the result goes to the answer.
#define RWD_KIND_TABLE(X) X(ANY) X(FF) X(FC) X(OF) X(OC) X(FO)
typedef enum rwd_kind {
#define RWD_KIND_ENUM(id) RWD_KIND_##id,
    RWD_KIND_TABLE(RWD_KIND_ENUM)
#undef RWD_KIND_ENUM
        RWD_KIND_COUNT
} rwd_kind;

// Comparisons, in the order of the operators EQ..GE.
#define RWD_COMPARISONS(X, kind) X(EQ_##kind) X(NE_##kind) X(LT_##kind) X(LE_##kind) X(GT_##kind) X(GE_##kind)
// The same that jump unless the answer is true.
#define RWD_UNLESS(X, kind) X(UNLESS_EQ_##kind) X(UNLESS_NE_##kind) X(UNLESS_LT_##kind) X(UNLESS_LE_##kind) X(UNLESS_GT_##kind) X(UNLESS_GE_##kind)

// The same as parts of an `and` that is the program's answer: `to` is what the parts so far came to (FIRST: there are none), and the program ends where one is false.
#define RWD_ALL(X, kind) X(FIRST_EQ_##kind) X(FIRST_NE_##kind) X(FIRST_LT_##kind) X(FIRST_LE_##kind) X(FIRST_GT_##kind) X(FIRST_GE_##kind) \
    X(ALSO_EQ_##kind) X(ALSO_NE_##kind) X(ALSO_LT_##kind) X(ALSO_LE_##kind) X(ALSO_GT_##kind) X(ALSO_GE_##kind)

// I: int, time; D: decimal; F: float; S: string, bytes; B: bool; T: time. `n` is the instruction's small number. X has one function, Y those for the kinds
// ANY, FF and FC, Z those for all kinds.
#define RWD_OP_TABLE(X, Y, Z)                                                                                             \
    X(BEGIN)                                         /* the first of a program: what ANY needs */                         \
    X(RETURN) X(RETURN_IF_FALSE) X(RETURN_IF_TRUE)   /* the last two look at a */                                         \
    X(JUMP) X(JUMP_IF_FALSE) X(JUMP_IF_TRUE) X(JUMP_IF_PRESENT) X(JUMP_UNLESS_TRUE)                                       \
    Y(MOVE) /* of b; a says nothing */                                                                                    \
    X(META_KEY) X(META_OFFSET) X(META_TIMESTAMP) X(META_HEADER) X(META_EVENT_TIME)                                        \
    X(AND) X(OR) X(NOT) X(IS_NULL) X(IS_NOT_NULL)                                                                         \
    Z(ADD_I) Z(SUB_I) Z(MUL_I) X(NEG_I) X(ABS_I) Z(ADD_T) Z(SUB_T)                                                        \
    Z(ADD_D) Z(SUB_D) Z(MUL_D) Z(MUL_DI) X(MUL_DOWN) X(DIV_D) X(NEG_D) X(ABS_D)                                           \
    Z(ADD_F) Z(SUB_F) Z(MUL_F) Z(DIV_F) X(NEG_F) X(ABS_F)                                                                 \
    X(I_TO_D) X(D_UP) X(D_DOWN) X(D_TO_I) X(D_ROUND_I) X(I_TO_F) X(D_TO_F) X(F_TO_D) X(F_TO_I) X(F_ROUND_I)               \
    X(CALL) /* n arguments from register a on; b: a constant whose text is the function */                                \
    X(CONCAT) X(LOWER) X(UPPER) Z(STARTS_WITH) X(LEN_S) X(LEN_B)                                                          \
    RWD_COMPARISONS(Z, I) RWD_COMPARISONS(Z, D) RWD_COMPARISONS(Z, F) RWD_COMPARISONS(Z, S)                               \
    X(EQ_B) X(NE_B) X(COMPARE_SCALED) /* n: scale of a less that of b; extra: the comparison */                           \
    RWD_UNLESS(Y, I) RWD_UNLESS(Y, D) RWD_UNLESS(Y, F) RWD_UNLESS(Y, S)                                                   \
    RWD_ALL(Y, I) RWD_ALL(Y, D) RWD_ALL(Y, F) RWD_ALL(Y, S)

typedef enum rwd_op {
#define RWD_OP_ENUM(id) RWD_OP_##id,
    RWD_OP_TABLE(RWD_OP_ENUM, RWD_OP_ENUM, RWD_OP_ENUM)
#undef RWD_OP_ENUM
        RWD_OP_COUNT
} rwd_op;

typedef struct rwd_operand {
    uint32_t offset;  // bytes
    uint8_t base;
} rwd_operand;

struct rwd_instruction;
typedef rwd_code rwd_handler(const struct rwd_instruction *ip, const rwd_value *values, rwd_expr_scratch *scratch, rwd_value *out);

#define RWD_EXPR_CODE_MAX 4096u  // instructions of a program

typedef struct rwd_instruction {
    rwd_handler *run;
    uint8_t op;         // until the program is linked; from then on: the program ends behind this one
    uint8_t a_base, b_base, to_base;
    int8_t n;
    uint8_t extra;
    uint16_t target;    // of a jump: so many instructions further
    uint32_t a, b, to;  // offsets from their bases; of a constant that is told by the kind: from this instruction
    uint32_t column;
} rwd_instruction;

typedef struct rwd_program {
    const rwd_instruction *start;  // of a linked program
    rwd_instruction *code;         // BEGIN and what follows; linked: and the constants behind it, in one piece of memory
    uint32_t code_count, code_capacity;
    rwd_value *constants;          // until the program is linked
    uint32_t constant_count, constant_capacity;
} rwd_program;

struct rwd_expr {
    rwd_program program;   // first: what evaluating reads
    rwd_type type;
    unsigned scale;
    bool nullable;
    bool is_constant;
    rwd_value constant;
    int64_t plain_slot;
    uint32_t *slots;
    size_t slot_count;
    rwd_slice *header_names;
    size_t header_name_count;
    unsigned metadata;
    char *text;            // normal form
    rwd_arena arena;       // tree, strings, names
};

// The program of a typed tree. CONFIG if it would need too many registers.
RWD_MUST bool rwd_expr_emit(rwd_compile *c, const rwd_expr_node *root, rwd_program *out);
// Ends the making of a program: instructions get their functions, jumps their distances, constants their places.
void rwd_program_link(rwd_program *program);
void rwd_program_deinit(rwd_program *program);
RWD_MUST rwd_code rwd_program_run(const rwd_program *program, const rwd_expr_input *in, rwd_expr_scratch *scratch, rwd_value *out);

#endif
