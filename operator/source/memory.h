// Records from memory: the source that tests use, with gaps, faults and an end of their choosing.
//
// Thread: pipeline.
#ifndef OPERATOR_SOURCE_MEMORY_H
#define OPERATOR_SOURCE_MEMORY_H

#include "operator/source/source.h"

typedef struct rwd_memory_record { int64_t offset; int64_t time_us; const char *value; } rwd_memory_record;

// Records are copied. `batch_max` caps batches, so that tests can choose boundaries. *gives*.
rwd_source *rwd_memory_source_new(const rwd_memory_record *records, size_t count, size_t batch_max);
// More records at the end.
void rwd_memory_source_append(rwd_source *source, const rwd_memory_record *records, size_t count);

#endif
