// What a plugin's decoder gives, as raw fields.
#include <stdlib.h>

#include "operator/logic/decode_private.h"

struct rwd_extern_plan {
    rwd_plugin_decoder *decoder;
    rewind_field *fields;
    rwd_value *values;
    rwd_code *codes;
    size_t count;
};

bool rwd_extern_plan_new(const rwd_job *job, rwd_extern_plan **out, rwd_error *err) {
    rwd_extern_plan *plan = rwd_calloc(1, sizeof *plan);
    plan->count = job->event.field_count;
    plan->fields = rwd_calloc(plan->count, sizeof *plan->fields);
    plan->values = rwd_calloc(plan->count, sizeof *plan->values);
    plan->codes = rwd_calloc(plan->count, sizeof *plan->codes);
    for (size_t i = 0; i < plan->count; i++) {
        const rwd_field *field = &job->event.fields[i];
        plan->fields[i] = (rewind_field){.name = field->name, .path = field->path, .type = field->type, .scale = field->type == RWD_TYPE_DECIMAL ? field->scale : 0};
    }
    if (rwd_plugin_decoder_new(job->plugins.loaded, job->source.decoder, plan->fields, plan->count, job->retries, &plan->decoder, err)) {
        *out = plan;
        return true;
    }
    rwd_extern_plan_free(plan);
    return false;
}

void rwd_extern_plan_free(rwd_extern_plan *plan) {
    if (!plan) return;
    rwd_plugin_decoder_free(plan->decoder);
    free(plan->fields);
    free(plan->values);
    free(plan->codes);
    free(plan);
}

// What no field takes stands for what is wrong, so that the first faulty field in the job's order gives the fault.
static uint8_t kind_of(const rwd_value *value, rwd_code code) {
    if (code == RWD_E_OUT_OF_RANGE) return RWD_RAW_TOO_BIG;
    if (code == RWD_E_WRONG_TYPE) return RWD_RAW_NESTED;
    return value->present ? RWD_RAW_VALUE : RWD_RAW_ABSENT;
}

bool rwd_extern_take_apart(rwd_extern_plan *plan, const rwd_record *record, rwd_arena *arena, rwd_raw *raw, rwd_fault *out_fault) {
    const rewind_record theirs = {
        .size = sizeof theirs, .value = record->value.data, .value_size = record->value.size, .key = record->key.data, .key_size = record->key.size,
        .offset = record->offset, .time_us = record->time_us,
    };
    rwd_plugin_fault fault;
    if (!rwd_plugin_decode(plan->decoder, &theirs, arena, plan->values, plan->codes, &fault)) return rwd_fault_set(out_fault, fault.code, -1, fault.at, fault.why);
    for (size_t i = 0; i < plan->count; i++) raw[i] = (rwd_raw){.kind = kind_of(&plan->values[i], plan->codes[i]), .value = &plan->values[i]};
    return true;
}
