// Plans of repairs on disk (repair_plan.h).
#include "operator/repair/repair_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/frame.h"
#include "operator/base/fs.h"
#include "proto/pack.h"
#include "proto/repair.pb-c.h"

#define VERSION 1
#define PLAN_MAX ((size_t)16 << 20)
#define LINEAGE_MAX ((size_t)128 << 20)  // its amendments hold whole records

static const char plan_magic[4] = {'R', 'W', 'R', 'P'}, lineage_magic[4] = {'R', 'W', 'R', 'L'};

static void free_table(rwd_repair_table *table) {
    for (size_t i = 0; i < table->column_count; i++) {
        rwd_repair_column *c = &table->columns[i];
        free(c->name), free(c->before), free(c->after), free(c->delta);
    }
    free(table->columns);
    free(table->name);
}

bool rwd_repair_is_undo(const rwd_repair_plan *plan) { return strcmp(plan->kind, "undo") == 0; }

bool rwd_repair_refuse_violations(const rwd_repair_plan *plan, const char *job, rwd_error *err) {
    bool undo = rwd_repair_is_undo(plan);
    size_t at = 0;
    while (at < plan->violation_count && undo && !plan->violations[at].parks) at++;
    if (at == plan->violation_count) return false;
    rwd_fail(err, RWD_E_INVARIANT, "the state that %s %s makes violates invariant %s", undo ? "undo" : "repair", plan->id, plan->violations[at].check);
    if (undo) rwd_error_next(err, "to publish it all the same, start the job with on_violation: alert there, and: rewind repair undo %s", job);
    else rwd_error_next(err, "rewind repair show %s %s; where the invariant is what is wrong, change it, and: rewind repair rebase %s %s", job, plan->id, job, plan->id);
    return true;
}

void rwd_repair_plan_clear_violations(rwd_repair_plan *plan) {
    for (size_t i = 0; i < plan->violation_count; i++) free(plan->violations[i].table), free(plan->violations[i].check), free(plan->violations[i].key);
    free(plan->violations);
    plan->violations = NULL;
    plan->violation_count = 0;
}

void rwd_repair_plan_deinit(rwd_repair_plan *plan) {
    free(plan->kind), free(plan->undoes), free(plan->who), free(plan->build);
    for (size_t i = 0; i < plan->sink_count; i++) free(plan->sinks[i].table), free(plan->sinks[i].target);
    for (size_t i = 0; i < plan->table_count; i++) free_table(&plan->tables[i]);
    rwd_repair_plan_clear_violations(plan);
    free(plan->sinks);
    free(plan->tables);
    *plan = (rwd_repair_plan){0};
}

uint64_t rwd_repair_number(const char *id) {
    char *end;
    if (strlen(id) != RWD_REPAIR_ID - 1 || strspn(id, "0123456789abcdef") != RWD_REPAIR_ID - 1) return 0;
    return strtoull(id, &end, 16);
}

void rwd_repair_id_of(uint64_t number, char out[RWD_REPAIR_ID]) { (void)snprintf(out, RWD_REPAIR_ID, "%016" PRIx64, number); }

// ---------------------------------------------------------------------------------------------- frames

static bool save_framed(const char *folder, const char *name, const char magic[4], rwd_slice payload, rwd_io *io, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf file = {0};
    if (!rwd_path_join(path, folder, name, err)) return false;
    rwd_frame_append(&file, magic, VERSION, payload);
    bool ok = rwd_io_write_file(io, path, rwd_buf_slice(&file), err);
    rwd_buf_deinit(&file);
    return ok;
}

// `file` holds what `out` points into.
static bool load_framed(const char *folder, const char *name, const char magic[4], size_t most, rwd_io *io, rwd_buf *file, rwd_slice *out, rwd_error *err) {
    char path[RWD_PATH_MAX];
    size_t size;
    if (!rwd_path_join(path, folder, name, err) || !rwd_io_read_file(io, path, most, file, err)) return false;
    switch (rwd_frame_read(rwd_buf_slice(file), magic, VERSION, out, &size)) {
    case RWD_FRAME_WHOLE: return true;
    case RWD_FRAME_NEWER: (void)rwd_fail(err, RWD_E_NEWER_FORMAT, "was written by a newer version of rewind"); break;
    case RWD_FRAME_END:
    case RWD_FRAME_TORN:
    case RWD_FRAME_CORRUPT: (void)rwd_fail(err, RWD_E_CORRUPT, "is damaged"); break;
    }
    return rwd_error_at(err, "%s", path);
}

// ---------------------------------------------------------------------------------------------- PLAN

static char *text_of(const char *text) { return (char *)(uintptr_t)(text ? text : ""); }

typedef struct packing {
    Rewind__RepairSink *sinks, **sink_list;
    Rewind__RepairTable *tables, **table_list;
    Rewind__RepairColumn **columns, ***column_lists;  // by table
    Rewind__RepairViolation *violations, **violation_list;
    uint8_t hashes[6][RWD_PROTO_HASH];
} packing;

static void pack_sinks(const rwd_repair_plan *plan, packing *p, Rewind__RepairPlan *out) {
    p->sinks = rwd_calloc(plan->sink_count + 1, sizeof(*p->sinks));
    p->sink_list = rwd_calloc(plan->sink_count + 1, sizeof(*p->sink_list));
    for (size_t i = 0; i < plan->sink_count; i++) {
        const rwd_repair_sink *s = &plan->sinks[i];
        p->sinks[i] = (Rewind__RepairSink)REWIND__REPAIR_SINK__INIT;
        p->sinks[i].table = text_of(s->table), p->sinks[i].target = text_of(s->target);
        p->sinks[i].changed = s->changed, p->sinks[i].added = s->added, p->sinks[i].vanished = s->vanished;
        p->sink_list[i] = &p->sinks[i];
    }
    out->n_sinks = plan->sink_count, out->sinks = p->sink_list;
}

static void pack_columns(const rwd_repair_table *table, packing *p, size_t at) {
    p->columns[at] = rwd_calloc(table->column_count + 1, sizeof(**p->columns));
    p->column_lists[at] = rwd_calloc(table->column_count + 1, sizeof(**p->column_lists));
    for (size_t i = 0; i < table->column_count; i++) {
        const rwd_repair_column *c = &table->columns[i];
        Rewind__RepairColumn *m = &p->columns[at][i];
        *m = (Rewind__RepairColumn)REWIND__REPAIR_COLUMN__INIT;
        m->name = text_of(c->name), m->before = text_of(c->before), m->after = text_of(c->after), m->delta = text_of(c->delta), m->changed = c->changed;
        p->column_lists[at][i] = m;
    }
    p->tables[at].n_columns = table->column_count, p->tables[at].columns = p->column_lists[at];
}

static void pack_tables(const rwd_repair_plan *plan, packing *p, Rewind__RepairPlan *out) {
    size_t count = plan->table_count + 1;
    p->tables = rwd_calloc(count, sizeof(*p->tables));
    p->table_list = rwd_calloc(count, sizeof(*p->table_list));
    p->columns = rwd_calloc(count, sizeof(*p->columns));
    p->column_lists = rwd_calloc(count, sizeof(*p->column_lists));
    for (size_t i = 0; i < plan->table_count; i++) {
        const rwd_repair_table *t = &plan->tables[i];
        p->tables[i] = (Rewind__RepairTable)REWIND__REPAIR_TABLE__INIT;
        p->tables[i].name = text_of(t->name), p->tables[i].changed = t->changed, p->tables[i].added = t->added, p->tables[i].vanished = t->vanished;
        pack_columns(t, p, i);
        p->table_list[i] = &p->tables[i];
    }
    out->n_tables = plan->table_count, out->tables = p->table_list;
}

static void pack_violations(const rwd_repair_plan *plan, packing *p, Rewind__RepairPlan *out) {
    p->violations = rwd_calloc(plan->violation_count + 1, sizeof(*p->violations));
    p->violation_list = rwd_calloc(plan->violation_count + 1, sizeof(*p->violation_list));
    for (size_t i = 0; i < plan->violation_count; i++) {
        const rwd_repair_violation *v = &plan->violations[i];
        p->violations[i] = (Rewind__RepairViolation)REWIND__REPAIR_VIOLATION__INIT;
        p->violations[i].table = text_of(v->table), p->violations[i].check = text_of(v->check), p->violations[i].key = text_of(v->key);
        p->violations[i].keys = v->keys, p->violations[i].parks = v->parks;
        p->violation_list[i] = &p->violations[i];
    }
    out->n_violations = plan->violation_count, out->violations = p->violation_list;
}

static void packing_deinit(packing *p, size_t tables) {
    for (size_t i = 0; i < tables; i++) free(p->columns[i]), free(p->column_lists[i]);
    free(p->columns), free(p->column_lists), free(p->tables), free(p->table_list), free(p->sinks), free(p->sink_list), free(p->violations), free(p->violation_list);
}

static void pack_facts(const rwd_repair_plan *plan, packing *p, Rewind__RepairPlan *m) {
    m->id = text_of(plan->id), m->kind = text_of(plan->kind), m->undoes = text_of(plan->undoes), m->created_us = plan->created_us;
    m->who = text_of(plan->who), m->build = text_of(plan->build);
    m->repository = rwd_proto_put_hash(plan->repository, p->hashes[0]);
    m->old_lineage = rwd_proto_put_hash(plan->old_lineage, p->hashes[1]);
    m->new_lineage = rwd_proto_put_hash(plan->new_lineage, p->hashes[2]);
    m->switch_number = plan->switch_number;
    m->from = plan->from, m->has_to = plan->to >= 0, m->to = plan->to >= 0 ? plan->to : 0;
    m->has_logic = plan->has_logic, m->amendments = plan->amendments, m->rebuilt_old = plan->rebuilt_old;
    m->base_checkpoint = text_of(plan->base), m->old_checkpoint = text_of(plan->old_checkpoint);
    m->base_offset = plan->base_offset, m->position = plan->position, m->closings = plan->closings;
    m->records_read = plan->records_read, m->records_journal = plan->records_journal, m->took_us = plan->took_us, m->shadow_bytes = plan->shadow_bytes;
    m->old_digest = rwd_proto_put_hash(plan->old_digest, p->hashes[3]);
    m->new_digest = rwd_proto_put_hash(plan->new_digest, p->hashes[4]);
    m->rows = plan->rows, m->dead_new = plan->dead_new, m->dead_resolved = plan->dead_resolved;
    m->transactions = plan->transactions, m->rows_per_transaction = plan->rows_per_transaction, m->readers_wait_us = plan->readers_wait_us, m->approved = plan->approved;
    m->corrections_hash = rwd_proto_put_hash(plan->corrections, p->hashes[5]);
    m->input_lineage_from = plan->differs_from;
}

bool rwd_repair_plan_save(const rwd_repair_plan *plan, const char *folder, rwd_io *io, rwd_error *err) {
    packing p = {0};
    rwd_buf payload = {0};
    Rewind__RepairPlan message = REWIND__REPAIR_PLAN__INIT;
    pack_facts(plan, &p, &message);
    pack_sinks(plan, &p, &message);
    pack_tables(plan, &p, &message);
    pack_violations(plan, &p, &message);
    rwd_proto_append(&payload, &message.base);
    packing_deinit(&p, plan->table_count);
    bool ok = payload.size < PLAN_MAX || rwd_fail(err, RWD_E_TOO_LARGE, "the plan of repair %s is too large", plan->id);
    ok = ok && save_framed(folder, RWD_REPAIR_PLAN_FILE, plan_magic, rwd_buf_slice(&payload), io, err);
    rwd_buf_deinit(&payload);
    return ok;
}

static bool take_id(const char *text, char out[RWD_CHECKPOINT_ID]) {
    if (strlen(text) >= RWD_CHECKPOINT_ID) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static void take_lists(const Rewind__RepairPlan *m, rwd_repair_plan *out) {
    out->sinks = rwd_calloc(m->n_sinks + 1, sizeof(*out->sinks));
    for (size_t i = 0; i < m->n_sinks; i++) {
        const Rewind__RepairSink *s = m->sinks[i];
        out->sinks[out->sink_count++] = (rwd_repair_sink){rwd_strdup(s->table), rwd_strdup(s->target), s->changed, s->added, s->vanished};
    }
    out->tables = rwd_calloc(m->n_tables + 1, sizeof(*out->tables));
    for (size_t i = 0; i < m->n_tables; i++) {
        const Rewind__RepairTable *t = m->tables[i];
        rwd_repair_table *table = &out->tables[out->table_count++];
        *table = (rwd_repair_table){.name = rwd_strdup(t->name), .changed = t->changed, .added = t->added, .vanished = t->vanished};
        table->columns = rwd_calloc(t->n_columns + 1, sizeof(*table->columns));
        for (size_t c = 0; c < t->n_columns; c++) {
            const Rewind__RepairColumn *column = t->columns[c];
            table->columns[table->column_count++] =
                (rwd_repair_column){rwd_strdup(column->name), rwd_strdup(column->before), rwd_strdup(column->after), rwd_strdup(column->delta), column->changed};
        }
    }
    out->violations = rwd_calloc(m->n_violations + 1, sizeof(*out->violations));
    for (size_t i = 0; i < m->n_violations; i++) {
        const Rewind__RepairViolation *v = m->violations[i];
        out->violations[out->violation_count++] = (rwd_repair_violation){rwd_strdup(v->table), rwd_strdup(v->check), rwd_strdup(v->key), v->keys, v->parks};
    }
}

static bool take(const Rewind__RepairPlan *m, rwd_repair_plan *out) {
    *out = (rwd_repair_plan){
        .kind = rwd_strdup(*m->kind ? m->kind : "repair"), .undoes = rwd_strdup(m->undoes), .created_us = m->created_us, .who = rwd_strdup(m->who), .build = rwd_strdup(m->build),
        .switch_number = m->switch_number, .from = m->from, .to = m->has_to ? m->to : -1, .has_logic = m->has_logic, .amendments = m->amendments, .rebuilt_old = m->rebuilt_old,
        .base_offset = m->base_offset, .position = m->position, .closings = m->closings, .records_read = m->records_read, .records_journal = m->records_journal, .took_us = m->took_us,
        .shadow_bytes = m->shadow_bytes, .rows = m->rows, .dead_new = m->dead_new, .dead_resolved = m->dead_resolved, .transactions = m->transactions,
        .rows_per_transaction = m->rows_per_transaction, .readers_wait_us = m->readers_wait_us, .approved = m->approved, .differs_from = m->input_lineage_from,
    };
    take_lists(m, out);
    return rwd_repair_number(m->id) != 0 && take_id(m->id, out->id) && take_id(m->base_checkpoint, out->base) && take_id(m->old_checkpoint, out->old_checkpoint) &&
           rwd_proto_get_hash(m->repository, &out->repository) && rwd_proto_get_hash(m->old_lineage, &out->old_lineage) &&
           rwd_proto_get_hash(m->new_lineage, &out->new_lineage) && rwd_proto_get_hash(m->old_digest, &out->old_digest) &&
           rwd_proto_get_hash(m->new_digest, &out->new_digest) && rwd_proto_get_hash(m->corrections_hash, &out->corrections);
}

static bool no_such_plan(const char *folder, rwd_error *err) {
    rwd_error_clear(err);
    (void)rwd_fail(err, RWD_E_NOT_FOUND, "there is no plan of a repair");
    (void)rwd_error_next(err, "rewind repair list JOB");
    return rwd_error_at(err, "%s", folder);
}

bool rwd_repair_plan_load(const char *folder, rwd_io *io, rwd_repair_plan *out, rwd_error *err) {
    rwd_buf file = {0};
    rwd_slice payload;
    *out = (rwd_repair_plan){0};
    bool ok = load_framed(folder, RWD_REPAIR_PLAN_FILE, plan_magic, PLAN_MAX, io, &file, &payload, err);
    if (ok) {
        Rewind__RepairPlan *message = (Rewind__RepairPlan *)rwd_proto_unpack(&rewind__repair_plan__descriptor, payload, 4 * PLAN_MAX);
        ok = message && take(message, out);
        if (message) rwd_proto_free(&message->base);
        if (!ok) {
            rwd_repair_plan_deinit(out);
            (void)rwd_fail(err, RWD_E_CORRUPT, "does not hold the plan of a repair");
            (void)rwd_error_at(err, "%s/%s", folder, RWD_REPAIR_PLAN_FILE);
        }
    } else if (err && err->code == RWD_E_NOT_FOUND) {
        (void)no_such_plan(folder, err);
    }
    if (!ok && err && err->code == RWD_E_CORRUPT) (void)rwd_error_next(err, "plan it again: rewind repair plan; this one goes with: rewind repair forget JOB %s", rwd_path_name(folder));
    rwd_buf_deinit(&file);
    return ok;
}

// ---------------------------------------------------------------------------------------------- what stands beside it

bool rwd_repair_plan_save_lineage(const rwd_lineage *lineage, const char *folder, rwd_io *io, rwd_error *err) {
    rwd_buf bytes = {0};
    rwd_lineage_encode(lineage, &bytes);
    bool ok = save_framed(folder, RWD_REPAIR_LINEAGE_FILE, lineage_magic, rwd_buf_slice(&bytes), io, err);
    rwd_buf_deinit(&bytes);
    return ok;
}

bool rwd_repair_plan_lineage(const char *folder, rwd_io *io, rwd_lineage *out, rwd_error *err) {
    rwd_buf file = {0};
    rwd_slice payload;
    bool ok = load_framed(folder, RWD_REPAIR_LINEAGE_FILE, lineage_magic, LINEAGE_MAX, io, &file, &payload, err) && rwd_lineage_decode(payload, out, err);
    rwd_buf_deinit(&file);
    return ok;
}

bool rwd_repair_plan_logics(const rwd_repair_plan *plan, const char *folder, rwd_logics *logics, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_job *job;
    const rwd_job *added;
    if (!plan->has_logic) return true;
    if (!rwd_path_join(path, folder, RWD_REPAIR_LOGIC_FILE, err) || !rwd_job_load(path, NULL, 0, &job, err)) return false;
    bool ok = rwd_logics_add(logics, job, &added, err);
    rwd_job_free(job);
    return ok;
}

// ---------------------------------------------------------------------------------------------- which one

bool rwd_repair_folder_of(const char *data, const char *id, char out[4096], rwd_error *err) {
    char repairs[RWD_PATH_MAX];
    return rwd_path_join(repairs, data, "repairs", err) && rwd_path_join(out, repairs, id, err);
}

typedef struct search {
    const char *word;
    bool latest;
    unsigned matches;
    int64_t created_us;
    char id[RWD_REPAIR_ID];
} search;

// PLAN is looked into only where the newest is asked for.
static bool look_at(search *s, const char *repairs, const char *name, rwd_io *io, rwd_error *err) {
    char folder[RWD_PATH_MAX], path[RWD_PATH_MAX];
    rwd_repair_plan plan;
    rwd_error ignored;
    if (rwd_repair_number(name) == 0 || (!s->latest && strncmp(name, s->word, strlen(s->word)) != 0)) return true;
    if (!rwd_path_join(folder, repairs, name, err) || !rwd_path_join(path, folder, RWD_REPAIR_PLAN_FILE, err)) return false;
    if (!rwd_path_exists(path)) return true;
    int64_t created_us = 0;
    if (s->latest) {
        if (!rwd_repair_plan_load(folder, io, &plan, &ignored)) return true;
        created_us = plan.created_us;
        rwd_repair_plan_deinit(&plan);
    }
    if (!s->latest || s->matches == 0 || created_us > s->created_us) {
        memcpy(s->id, name, RWD_REPAIR_ID);
        s->created_us = created_us;
    }
    s->matches++;
    return true;
}

bool rwd_repair_find(const char *data, rwd_io *io, const char *word, char out[RWD_REPAIR_ID], rwd_error *err) {
    char repairs[RWD_PATH_MAX], **names = NULL;
    size_t count = 0;
    search s = {.word = word, .latest = strcmp(word, "latest") == 0};
    if (!rwd_path_join(repairs, data, "repairs", err)) return false;
    if (rwd_path_exists(repairs) && !rwd_list_dir(repairs, &names, &count, err)) return false;
    bool ok = *word != '\0';
    for (size_t i = 0; i < count && ok; i++) ok = look_at(&s, repairs, names[i], io, err);
    rwd_names_free(names, count);
    if (!ok && *word) return false;
    memcpy(out, s.id, RWD_REPAIR_ID);
    if (s.matches == 1 || (s.latest && s.matches > 1)) return true;
    if (s.matches > 1) return rwd_fail(err, RWD_E_USAGE, "%.40s is the beginning of %u repairs' ids", word, s.matches);
    (void)rwd_fail(err, RWD_E_NOT_FOUND, s.latest ? "no repair was planned yet" : "no repair has the id %.40s", word);
    return rwd_error_next(err, "rewind repair list --data %s", data);
}
