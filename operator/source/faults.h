// Generated orders with faults in them, and a list of these: what went wrong, where it stands, and what the truth is. For drills of repairs.
//
// The true orders are those of generate.h, bare of faults. What is written of them has, by chance and the same for the same seed:
//
//   lost         the record is not there
//   gap          nor is it, nor are the next ones: ids are missing in a row
//   duplicated   it comes again, RWD_FAULT_AGAIN_AFTER records later
//   late         it comes RWD_FAULT_LATE_BY records later than it should, with its own time
//   malformed    it is one of the bad ones of generate.h
//   price        its amount is ten times as much: in a window of ids, not by chance
//
// Each fault has a line in the list (JSON Lines):
//   {"offset":7,"fault":"malformed","id":7,"belongs":7,"truth":"..."}
// `offset` is where it stands in what is written, of what is not there (null) none; `belongs` is the offset in front of which the truth belongs, or where it should stand itself; of a
// duplicate, which should not be there, null, as its truth. And one or two lines of amendments (config/amend_file.h), which mend it. The last record of all has no fault.
//
// Thread: one at a time.
#ifndef OPERATOR_SOURCE_FAULTS_H
#define OPERATOR_SOURCE_FAULTS_H

#include "operator/source/generate.h"

#define RWD_FAULT_AGAIN_AFTER 37
#define RWD_FAULT_LATE_BY 5000
#define RWD_FAULT_GAP_MAX 60  // records in a row, at most

// id, name, doc
#define RWD_FAULT_TABLE(X)                                                         \
    X(LOST, "lost", "records in a million that are not there")                     \
    X(GAP, "gap", "records in a million behind which up to 60 are not there")      \
    X(DUPLICATED, "duplicated", "records in a million that come again")            \
    X(LATE, "late", "records in a million that come late")                         \
    X(MALFORMED, "malformed", "records in a million that are malformed")           \
    X(PRICE, "price", "FROM..UNTIL: ids of the records with ten times the amount")

typedef enum rwd_fault_kind {
#define RWD_FAULT_ENUM(id, name, doc) RWD_FAULT_##id,
    RWD_FAULT_TABLE(RWD_FAULT_ENUM)
#undef RWD_FAULT_ENUM
        RWD_FAULT_COUNT,
    RWD_FAULT_NONE = RWD_FAULT_COUNT,
} rwd_fault_kind;
const char *rwd_fault_name(rwd_fault_kind kind);  // static

typedef struct rwd_faults {
    uint32_t per_million[RWD_FAULT_COUNT];  // not of PRICE
    uint64_t price_from, price_until;       // ids; equal: none
} rwd_faults;
// "lost=200,late=50,price=1000..2000". USAGE: a word that is none, a number that is too large (all that fall by chance: half of the records at most).
RWD_MUST bool rwd_faults_parse(const char *text, rwd_faults *out, rwd_error *err);

typedef struct rwd_faulty rwd_faulty;
// Of `records` true orders. `how` has no bad ones of its own. *gives*.
rwd_faulty *rwd_faulty_new(const rwd_generate *how, const rwd_faults *faults, uint64_t records);
void rwd_faulty_free(rwd_faulty *faulty);
// The next portion of what is written, with what belongs to it: records, lines of the list, amendments, true records (any of them NULL: not wanted). Appends. False: there is nothing more.
bool rwd_faulty_step(rwd_faulty *faulty, rwd_buf *out_records, rwd_buf *out_list, rwd_buf *out_amendments, rwd_buf *out_truth);

#endif
