rwd_fuzz(expr_fuzz SOURCES expr_fuzz.c LIBS rwd_expr)
