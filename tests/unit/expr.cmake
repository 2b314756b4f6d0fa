rwd_test(expr_compile_test SOURCES expr_compile_test.c LIBS rwd_expr)
rwd_test(expr_eval_test SOURCES expr_eval_test.c LIBS rwd_expr)
