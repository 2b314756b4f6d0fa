// No outputs: commits succeed at once and nothing is kept; the newest checkpoint's X is the truth (C1).
//
// Thread: pipeline.
#ifndef OPERATOR_SINK_NONE_H
#define OPERATOR_SINK_NONE_H

#include "operator/sink/sink.h"

rwd_sink *rwd_none_sink_new(void);  // *gives*; close through ops

#endif
