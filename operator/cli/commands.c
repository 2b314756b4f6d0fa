// The rows of the tables of commands, flags and exit codes.
#include "operator/cli/commands.h"

#include <string.h>

#include "operator/cli/cli_private.h"

static const rwd_flag flags[RWD_FLAG_ID_COUNT] = {
#define RWD_FLAG_ROW(id, name, letter, kind, takes, environment, help) {name, letter, RWD_FLAG_##kind, takes, environment, help},
    RWD_FLAG_TABLE(RWD_FLAG_ROW)
#undef RWD_FLAG_ROW
};

const rwd_flag *rwd_flag_at(rwd_flag_id id) { return &flags[id]; }

#define F(id) RWD_FLAG_BIT(id)
#define COMMON (F(HELP) | F(LOG_LEVEL) | F(LOG_FORMAT))
#define FINDS (F(JOB) | F(DATA) | F(SET) | F(IO))
#define ACT (F(DRY_RUN) | F(YES))

uint64_t rwd_common_flags(void) { return COMMON; }

static const rwd_command commands[] = {
    {"demo", RWD_JOB_NEVER, "", 0, 0, F(RECORDS) | F(SEED) | F(KEEP_FILES),
     "kill a job, repair what faults in its input did, and compare it with a run over the truth",
     "Makes a folder below the folder for temporary files, generates orders with faults in them, runs a job over them, kills it in the middle, starts it again, finds where an invariant broke, plans "
     "a repair beside the running job, applies it, and compares the state with that of an uninterrupted run over the true orders. Every command is printed before it is run, and can be typed by hand. "
     "Nothing outside that folder is touched, and it is removed at the end.",
     "rewind demo\nrewind demo --records 1000000 --keep-files",
     {RWD_EXIT_OK, RWD_EXIT_DIFFERENT, RWD_EXIT_IO}, rwd_run_demo},
    {"run", RWD_JOB_REQUIRED, "", 0, 0, F(SET) | F(IO) | F(OUTPUT) | F(FRESH) | F(REASON),
     "run a job: read, aggregate, publish, checkpoint",
     "Takes the data directory's lock, recovers what an earlier run left (newest good checkpoint, silent replay to the committed offset), goes on, and ends at "
     "the end of the input, or follows it. The end is a commit, a checkpoint, and a summary on standard output.\n\n"
     "SIGTERM, SIGINT and SIGHUP: last commit, last checkpoint, exit 0. A second SIGINT exits at once with 130; that is as safe as a crash, which is safe.\n\n"
     "While it runs, status, checkpoint and state commands reach it through the admin socket in the data directory, and http.listen serves /metrics, /livez, /readyz, "
     "/startupz and /status.",
     "rewind run orders.yaml\nrewind run orders.yaml --set checkpoints.every=5s --set http.listen=off\nrewind run orders.yaml -o json",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_IO, RWD_EXIT_CORRUPT, RWD_EXIT_LOCKED, RWD_EXIT_INCOMPATIBLE, RWD_EXIT_LOGIC, RWD_EXIT_SOURCE, RWD_EXIT_FENCED,
      RWD_EXIT_PLUGIN, RWD_EXIT_INTERRUPTED},
     rwd_run_run},
    {"status", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT),
     "what the operator is doing now",
     "Asks the running operator. Where none runs, shows the newest checkpoint and exits with 10.",
     "rewind status orders.yaml\nrewind status --data rewind-data/orders/0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_status},
    {"pause", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(REASON),
     "stop reading and publishing, and stay up",
     "At the next batch boundary the open transaction is ended and committed, and nothing more is read until resume. The operator keeps its lock and its position, answers "
     "status, state and checkpoint commands, and /readyz says 503 with who paused it and why. The pause is kept in the data directory: a restart recovers and stays paused.\n\n"
     "Returns when the pause is in effect, or after a few seconds when a commit or a recovery is still under way; the pause then comes behind it. Where commits are "
     "fixed to offsets (delivery.commit_at) what was read behind the last one is published after resume.",
     "rewind pause orders.yaml --reason \"downstream migration\"\nrewind pause --data rewind-data/orders/0",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_pause},
    {"resume", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT),
     "go on after a pause",
     "Reads on from where the pause began. Does nothing to an operator that is not paused.",
     "rewind resume orders.yaml",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_resume},
    {"restore", RWD_JOB_REQUIRED, "", 0, 0, F(SET) | F(IO) | F(TO) | F(FROM_OUTPUT) | F(BEFORE) | F(OFFSET) | F(LOGIC) | F(AMEND) | F(TOLERANCE) | F(REASON) |
     F(OUTPUT) | ACT,
     "go back to a checkpoint and catch up to the committed offset",
     "For damaged state: builds the state at the committed offset C again, from a checkpoint and the records after it, makes a new checkpoint there, and compares digests where "
     "there is another at C. Output is not touched. With the same input and logic the result is the same state, rebuilt; the input digest is compared before it counts.\n\n"
     "The checkpoint is the one named with --to, or the newest good one at or below a place: the record at --offset N, or with --before TIME the first record whose time is at or "
     "after it. A record of a file has no time; there it is the time of its event (event.time). When a checkpoint was made plays no part. One where an invariant did not hold is "
     "passed over, unless it is named.\n\n"
     "With --logic (from the place on) or --amend it is a repair (see repair plan and apply), with the operator paused from before the plan until the corrections are published: nothing "
     "wrong goes out meanwhile, and nothing right either. It can be taken back with repair undo.\n\n"
     "--from-output is for the day on which checkpoints and journal are gone and the input does not go back far enough: with a new data directory the state at C is rebuilt from the job's outputs, "
     "where they have all rows and all aggregates of every table (count, sum, min, max, first and last). rebuilt.jsonl in the data directory says of each row whether it is exact or estimated; every "
     "manifest from then on says that the state was rebuilt.\n\n"
     "Where an operator runs, it is asked to do it: it commits what it has read, rebuilds, and goes on; a restore that fails or is killed leaves what was there. Where none "
     "runs, the command does it and ends. The plan is printed first; without --yes, and without a terminal to ask on, that is all.",
     "rewind restore orders.yaml --before 12:00 --dry-run\nrewind restore orders.yaml --before 2026-03-01T12:00:00Z\nrewind restore orders.yaml --offset 1200000 --yes\n"
     "rewind restore orders.yaml --to 00000000000000a1 --reason \"disk swapped\" --yes\n"
     "rewind restore orders.yaml --before 12:00 --logic fixed.yaml --reason \"wrong price since noon\" --yes",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_LOCKED, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_restore},
    {"replay", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(FROM_PLACE) | F(TO_PLACE) | F(LOGIC) | F(AMEND) | F(SAMPLE) | F(KEEP_AS) | F(MEMORY),
     "a part of the input again, beside the running operator, with outputs off",
     "Builds a second state, a shadow, from the newest good checkpoint at or below --from (and below every amendment) and the records from there to --to, and prints what came of it. PLACE is "
     "an offset, a time (of the first record that is not earlier; RFC 3339, or local 12:00), or a checkpoint's id, the beginning of one, a tag or latest. Without --to it ends at what is "
     "committed; without --from, with --amend, it begins at the lowest amendment. Nothing is published, no offset moves, and the job's own state stays as it is, whether an operator runs or not.\n\n"
     "--logic FILE is a job file: its event and tables are the logic from --from on; below it the history's own logic runs. Where records come from, and where the state is, says the job. "
     "--amend FILE skips, replaces and inserts records: JSON Lines of {\"skip\": N}, {\"replace\": N, \"value\": ...} and {\"insert\": N, \"value\": ...}, each with a \"reason\" if wanted.\n\n"
     "Beside a running operator the replay goes only as fast as that one's lag stays under a second. It takes a quarter of state.memory (--memory).\n\n"
     "--keep NAME leaves the shadow in <data>/shadows/NAME, a data directory that diff, state and export read with --data or as a path. A replay with --keep that was killed goes on where it "
     "was when the same command is given again. --sample 1% replays for so many of the keys only, chosen by their hash, and with --logic or --amend also without these: how many of them change, "
     "and the largest changes. What keys outside the sample would have made of an event is not known then: events that another key refuses (late, an overflow) count as applied.",
     "rewind replay orders.yaml --from 12:00 --to 12:30 --logic fixed.yaml --keep fixed\nrewind replay orders.yaml --amend amend.jsonl\n"
     "rewind replay orders.yaml --from 1200000 --logic fixed.yaml --sample 1%\nrewind diff orders.yaml latest rewind-data/orders/0/shadows/fixed",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_IO, RWD_EXIT_CORRUPT, RWD_EXIT_LOCKED, RWD_EXIT_INCOMPATIBLE, RWD_EXIT_LOGIC, RWD_EXIT_SOURCE}, rwd_run_replay},
    {"diff", RWD_JOB_MAY, "OLD NEW", 2, 2, FINDS | F(OUTPUT_CSV) | F(TABLE) | F(KEY) | F(WHY) | F(LIMIT) | F(FILE),
     "what two states differ in: keys, columns, sums",
     "OLD and NEW are each one of: live, the running operator's state (it is asked for a checkpoint; where none runs, the newest); a checkpoint's id, the beginning of one, a tag, or latest; "
     "repair:ID, the state that the plan of a repair came to; or a path: a data directory (its newest checkpoint), or a checkpoint's folder; or a file that export wrote of a table as "
     "JSON Lines. With two "
     "paths no job need be named.\n\n"
     "Of each key that differs the columns that do, old, new, and the difference of numbers; then how many keys of each table changed, came and vanished, and the sums of what changed. Windows "
     "that have closed are compared as long as they are kept. Digests tell equal parts apart without reading them. Tables and columns of two jobs are matched by their names; a column that only "
     "one side has is null on the other.\n\n"
     "--why KEY names the first records (--limit of them) behind which the key's rows differ, with both rows: both histories are replayed in a "
     "private folder below TMPDIR (/var/tmp), from the newest checkpoint that they have in common. Both sides are the job's own then.\n\n"
     "--limit bounds the keys that are shown; what is counted is everything. Exit code 0: the states are equal; 1: they differ.",
     "rewind diff orders.yaml before-migration live\nrewind diff orders.yaml 00000000000000a1 latest --table hourly --limit 0 -o csv -f changes.csv\n"
     "rewind diff orders.yaml live repair:latest\nrewind diff orders.yaml live repair:latest --why C000042\nrewind diff orders.yaml latest live --key C000042\nrewind diff "
     "rewind-data/orders/0 /backup/orders -o json",
     {RWD_EXIT_OK, RWD_EXIT_DIFFERENT, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_diff},
    {"bisect", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(TABLE) | F(CHECK) | F(KEY) | F(OFFSET),
     "the first record behind which something is not true any more",
     "--check is a condition over a row (see tables.NAME.derived); it is untrue where it is false for a row of the table, or for the row of --key. Checkpoints are asked first, from the newest at or "
     "below --offset N down (N is C, or where an invariant parked the job, unless given): down to the newest where it is untrue, and on to the nearest one below where it is true. The records "
     "between are replayed in a private folder below TMPDIR (/var/tmp), and looked at one by one; where it is true at the newest checkpoint, those behind that come first.\n\n"
     "Prints the record, its offset, the key, and the row in front of and behind it. Where it becomes untrue and true again several times, it is the first time behind that checkpoint. Nothing is "
     "changed, whether an operator runs or not. Exit 0: it is true at N and was at every checkpoint; 1: it is or was not.",
     "rewind bisect orders.yaml --check \"revenue >= 0\"\nrewind bisect orders.yaml --table hourly --key '[\"DE\",\"2026-03-01T12:00:00Z\"]' --check \"orders < 1000\"\n"
     "rewind bisect --data rewind-data/orders/0 --check \"revenue >= 0\" --offset 1200000 -o json",
     {RWD_EXIT_OK, RWD_EXIT_DIFFERENT, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_SOURCE, RWD_EXIT_NOT_FOUND}, rwd_run_bisect},
    {"repair plan", RWD_JOB_REQUIRED, "", 0, 0, F(SET) | F(IO) | F(FROM_PLACE) | F(TO_PLACE) | F(LOGIC) | F(AMEND) | F(REBUILD_OLD) | F(MEMORY) | F(LIMIT) | F(OUTPUT_CSV),
     "compute what outputs ought to show, and list what would be corrected",
     "Replays the records from a good checkpoint on in a second state: with the logic of --logic from --from to --to (without --to it stays), and with the amendments of "
     "--amend; all else in its place. Then it compares what outputs show of that state with what they show of the live one, at one position C0. Nothing is published, and "
     "nothing of the job's is changed; an operator may run meanwhile, and is asked for a checkpoint first.\n\n"
     "PLACE is an offset, a time (RFC 3339, or local 12:00), or a checkpoint. The plan is kept in the data directory, in repairs/ID: repair show prints it again, repair apply carries it out.\n\n"
     "--rebuild-old replays the old history, too, where the live state is in doubt. A plan that was killed goes on where it was when it is asked for again.",
     "rewind repair plan orders.yaml --from 12:00 --to 12:30 --logic fixed.yaml\nrewind repair plan orders.yaml --amend wrong-records.jsonl\n"
     "rewind repair plan orders.yaml --from 1200000 --logic fixed.yaml --limit 0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_IO, RWD_EXIT_CORRUPT, RWD_EXIT_LOCKED, RWD_EXIT_LOGIC, RWD_EXIT_SOURCE, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_repair_plan},
    {"repair list", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT),
     "the plans of repairs, newest first",
     "What was asked for, how many corrections it comes to, and whether it was applied.",
     "rewind repair list orders.yaml\nrewind repair list --data rewind-data/orders/0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_repair_list},
    {"repair show", RWD_JOB_FINDS, "[ID]", 0, 1, FINDS | F(OUTPUT_CSV) | F(LIMIT),
     "a plan, to be read and approved: what would be corrected",
     "ID is a repair's id, the beginning of one, or latest (the default). The greatest corrections come first; -o csv and -o json "
     "have them in the order in which they are published, --limit of them (0: all).",
     "rewind repair show orders.yaml\nrewind repair show orders.yaml 5be1 --limit 0 -o csv",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_repair_show},
    {"repair apply", RWD_JOB_REQUIRED, "ID", 1, 1, F(SET) | F(IO) | F(REASON) | F(TOLERANCE) | F(OUTPUT) | ACT,
     "publish the corrections of a plan, and go on with its history",
     "Where an operator runs, it is asked to do it: the shadow of the plan is brought up beside it first; then it commits what it has read, waits until the shadow stands there too, "
     "makes the difference again, and publishes the corrections together with the new lineage, in one transaction (repair.max_transaction: in several, of which the first counts). Then it goes on. "
     "Where none runs, the command does it and ends. Killed on the way, it is as it was before, or the rest is published by the next start before it reads anything.\n\n"
     "Refused where another repair was applied since the plan was made (repair rebase), where it comes to more corrections than the plan has and --tolerance allows, and where the new state "
     "violates an invariant.",
     "rewind repair apply orders.yaml 00000000000000a1 --reason \"wrong price 12:00 to 12:30\" --yes\nrewind repair apply orders.yaml latest --reason \"lost events\" --tolerance 10",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY, RWD_EXIT_LOGIC, RWD_EXIT_DIFFERENT}, rwd_run_repair_apply},
    {"repair undo", RWD_JOB_REQUIRED, "[ID]", 0, 1, F(SET) | F(IO) | F(REASON) | F(TOLERANCE) | F(OUTPUT) | ACT,
     "take the newest applied repair back",
     "A repair of its own: the history before it is replayed up to now, with all that came since, and what differs from what stands published is corrected. Undone again, it goes further back. A "
     "change of the job file (on_change) is taken back in the same way. The checkpoint before a repair, and the journal from it on, are kept for repair.keep.\n\n"
     "Invariants that the state before the repair violated do not stand in the way, but for those that park.",
     "rewind repair undo orders.yaml --reason \"the old price was right\" --yes\nrewind repair undo orders.yaml 00000000000000a1 --reason \"approved by mistake\" --dry-run",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_repair_undo},
    {"repair report", RWD_JOB_FINDS, "ID", 1, 1, FINDS | F(OUTPUT),
     "who repaired what, when, why, and what came of it",
     "All that is known of a repair, applied or not: what was asked for, both lineages, the sums by table, the corrections, checkpoints and digests before and after.",
     "rewind repair report orders.yaml 00000000000000a1\nrewind repair report --data rewind-data/orders/0 latest -o json",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_repair_report},
    {"repair rebase", RWD_JOB_REQUIRED, "ID", 1, 1, F(SET) | F(IO) | F(OUTPUT),
     "plan a repair again, on the history that is live now",
     "For a plan that was made before another repair was applied or undone, or that comes to more corrections by now: the same logic, places and amendments, replayed against what "
     "is live. It is a plan of its own, to be looked at and applied; the old one stays as it is.",
     "rewind repair rebase orders.yaml 00000000000000a1",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_SOURCE}, rwd_run_repair_rebase},
    {"repair forget", RWD_JOB_FINDS, "ID", 1, 1, FINDS | F(OUTPUT) | ACT,
     "remove a plan that was not applied, with its second state",
     "The second state takes disk: its files are linked with checkpoints, and what those drop stays as long as the plan does. A repair that was applied is part of the history and "
     "is kept; its second state went "
     "when it was applied. What a plan that was killed has left is named by its whole id, the name of its folder in repairs.",
     "rewind repair forget orders.yaml 5be1 --dry-run\nrewind repair forget orders.yaml 5be1 --yes",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_repair_forget},
    {"dlq list", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(CODE) | F(FROM_PLACE) | F(TO_PLACE) | F(KEY) | F(STATE) | F(CHECKPOINT) | F(LIMIT),
     "dead letters that are open, or failed for good",
     "Reads the index of a checkpoint; where an operator runs and --checkpoint is not given, it is asked for a new one first. A time is the record's own, or, where records have "
     "none, the stream time that it met. --key is the record's key, or, where it can be read so far, the key of its event in some table, as output records have it.",
     "rewind dlq list orders.yaml\nrewind dlq list orders.yaml --code late,future --from 12:00\nrewind dlq list --data rewind-data/orders/0 --from 1200000 --state failed -o json",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_dlq_list},
    {"dlq show", RWD_JOB_FINDS, "OFFSET[/ORDINAL]...", 1, RWD_ARGS_MAX, FINDS | F(OUTPUT) | F(CHECKPOINT),
     "all about a dead letter, with its record",
     "The record comes from the journal, the source or the dead-letter output, whichever has it, and only if it has the hash that the index knows. With event.each, OFFSET alone stands for all "
     "dead letters of the record.",
     "rewind dlq show orders.yaml 1200000\nrewind dlq show orders.yaml 1200000/3 -o json",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_dlq_show},
    {"dlq export", RWD_JOB_FINDS, "[OFFSET[/ORDINAL]...]", 0, RWD_ARGS_MAX, FINDS | F(CODE) | F(FROM_PLACE) | F(TO_PLACE) | F(KEY) | F(STATE) | F(CHECKPOINT) | F(FILE),
     "dead letters with their records, as JSON Lines",
     "What dlq list says of each, and its key and value in base64, as text where they are readable, and where they were found (found_in: journal, source, output, or null: nowhere).",
     "rewind dlq export orders.yaml -f dead.jsonl\nrewind dlq export orders.yaml --code malformed 1200000 1200001",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_IO, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_dlq_export},
    {"dlq redrive", RWD_JOB_FINDS, "[OFFSET[/ORDINAL]...]", 0, RWD_ARGS_MAX,
     F(JOB) | F(DATA) | F(IO) | F(OUTPUT) | F(CODE) | F(FROM_PLACE) | F(TO_PLACE) | F(KEY) | F(STATE) | F(CHECKPOINT) | F(PATCH) | F(IN_PLACE) | F(SKIP) | F(LOGIC) | F(FILE) | ACT,
     "send dead letters again, or amend their records",
     "Into the topic (the default): the record is sent into the source topic again, with key, headers and time as they were, and a header that says where it comes from. The operator applies it as "
     "long as that dead letter is open, and once, however often it is sent; else it counts a duplicate. One that fails again errors.retries times has failed for good. With --set the value is "
     "another: a field of the job, or a path into the JSON record. The plan is printed first; without --yes, and without a terminal to ask on, that is all.\n\n"
     "In place (--in-place): nothing is sent. Amendments are written, to --file or standard output, that replace the records at their offsets by those with --set, or skip them with --skip; "
     "`rewind repair plan` shows what they change, as if the records had been so from the beginning; with --yes it is made at once. "
     "With --logic nothing need be written: the repair's new logic reads the same "
     "records. Jobs over files have this way only.",
     "rewind dlq redrive orders.yaml --code late --dry-run\nrewind dlq redrive orders.yaml 1200000 --set quantity=3 --yes\n"
     "rewind dlq redrive orders.yaml --in-place --code wrong-type --set quantity=0 -f amend.jsonl\nrewind dlq redrive orders.yaml --in-place --code missing-field --skip -f amend.jsonl",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_IO, RWD_EXIT_CORRUPT, RWD_EXIT_SOURCE, RWD_EXIT_NOT_FOUND}, rwd_run_dlq_redrive},
    {"checkpoint list", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(ALL),
     "the checkpoints, newest first",
     "Good ones, unverified ones (not read back yet), bad ones (set aside), and with --all pruned ones, of which the manifest is left. JSON has all of them. I is an independent "
     "copy, P is pinned: genesis, tagged ones, and those that a repair can be taken back from (repair.keep).",
     "rewind checkpoint list orders.yaml\nrewind checkpoint list --data rewind-data/orders/0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_checkpoint_list},
    {"checkpoint show", RWD_JOB_FINDS, "[ID]", 0, 1, FINDS | F(OUTPUT),
     "all that a checkpoint's manifest says",
     "ID is an id, the beginning of one, a tag, or latest (the default).",
     "rewind checkpoint show orders.yaml\nrewind checkpoint show orders.yaml before-migration -o json",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND, RWD_EXIT_CORRUPT}, rwd_run_checkpoint_show},
    {"checkpoint create", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(TAG),
     "make a checkpoint now, in the running operator",
     "Returns when the checkpoint is durable. A tag keeps it from being pruned.",
     "rewind checkpoint create orders.yaml --tag before-migration",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_checkpoint_create},
    {"checkpoint check", RWD_JOB_FINDS, "[ID]", 0, 1, FINDS | F(OUTPUT) | F(ALL) | F(SCAN),
     "read every byte of a checkpoint and compare it with its manifest",
     "Compares size and hash of every file with the manifest, and walks the chain of history.log. With --scan it also computes the state digest from scratch, from "
     "every row, and compares it with the digest that the checkpoint was published with. Nothing is changed: what is bad is set aside by the operator when it comes upon it.",
     "rewind checkpoint check orders.yaml --scan\nrewind checkpoint check --data rewind-data/orders/0 --all",
     {RWD_EXIT_OK, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_checkpoint_check},
    {"checkpoint copy", RWD_JOB_FINDS, "[ID]", 0, 1, FINDS | F(OUTPUT) | F(TO) | F(FROM),
     "copy a checkpoint to a folder elsewhere, or back",
     "For the day on which the disk is lost. With --to the checkpoint is verified, copied into the folder with history.log, lineages, its tag and the journal from there on, read back and compared; "
     "files that the folder has from an earlier copy are not copied again. The operator may be running. With --from it comes back: into the job's data directory, which is empty, or has "
     "no checkpoint, or is the one "
     "that the copy was made from. No operator may own it then. The next run goes on from the copy, with the records after it replayed up to the committed offset.\n\n"
     "The folder has the layout of a data directory: checkpoint list, check, export and state scan read it with --data.",
     "rewind checkpoint copy orders.yaml --to /backup/orders\nrewind checkpoint list --data /backup/orders\nrewind checkpoint copy orders.yaml --from /backup/orders",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_IO, RWD_EXIT_CORRUPT, RWD_EXIT_LOCKED, RWD_EXIT_INCOMPATIBLE, RWD_EXIT_NOT_FOUND}, rwd_run_checkpoint_copy},
    {"checkpoint forget", RWD_JOB_FINDS, "ID", 1, 1, FINDS | F(OUTPUT) | ACT,
     "remove the files of one checkpoint",
     "Refused for the newest two good checkpoints, genesis, a tagged one, and one that somebody reads. Its manifest stays, so that the history can be walked.",
     "rewind checkpoint forget orders.yaml 00000000000000a1 --dry-run",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_LOCKED}, rwd_run_checkpoint_forget},
    {"checkpoint prune", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(KEEP) | ACT,
     "apply the retention of the job file now",
     "What the operator does by itself after each checkpoint (checkpoints.keep). Shows what goes and why the others stay.",
     "rewind checkpoint prune orders.yaml --keep 3 --dry-run\nrewind checkpoint prune orders.yaml --yes",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_LOCKED}, rwd_run_checkpoint_prune},
    {"checkpoint tag", RWD_JOB_FINDS, "ID [NAME]", 1, 2, FINDS | F(OUTPUT),
     "give a checkpoint a name, or take it away",
     "A name is letters, digits, dot, dash and underscore, and stands for one checkpoint. A tagged checkpoint is never pruned. Without NAME the tag is removed.",
     "rewind checkpoint tag orders.yaml latest before-migration\nrewind checkpoint tag orders.yaml before-migration",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND}, rwd_run_checkpoint_tag},
    {"journal list", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT),
     "the segments of the journal, and which offsets are missing",
     "A segment holds records as they were read, from one offset to another; every start begins a new one. A torn end is what a kill or a power loss left: it does not count. "
     "What is missing between segments is read from the topic when it is needed.",
     "rewind journal list orders.yaml\nrewind journal list --data rewind-data/orders/0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_journal_list},
    {"journal check", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT),
     "read every block of the journal and compare it with its checksum",
     "Nothing is changed: a replay that comes upon damage reads those records from the topic, if it still has them. Missing offsets are listed and are no error.",
     "rewind journal check orders.yaml\nrewind journal check --data rewind-data/orders/0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_CORRUPT, RWD_EXIT_NOT_FOUND}, rwd_run_journal_check},
    {"journal export", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OFFSET) | F(RECORDS) | F(FILE),
     "records of the journal as JSON Lines",
     "A line is a record: {\"offset\": N, \"time\": RFC 3339 or null, \"key\": base64 or null, \"value\": base64 or null, \"headers\": [[name, base64 or null], ...]}. From the first offset, or "
     "from --offset, to the last, or as many as --records says. What is missing between is said on standard error. The operator may be running.",
     "rewind journal export orders.yaml --file orders.jsonl\nrewind journal export orders.yaml --offset 4000 --records 10",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_journal_export},
    {"journal import", RWD_JOB_FINDS, "[FILE]", 0, 1, FINDS | F(OUTPUT) | ACT,
     "fill holes of the journal from the topic, or from JSON Lines",
     "Without FILE from what the topic still has, where that fits. With FILE for records that neither has any more, and somebody has: another copy, an archive. "
     "FILE is in the format of journal export, offsets rise. Only holes are filled, and only "
     "where all records from one checkpoint to the next then have the count and the hash that were read; a record that the journal has already must be the same. Anything else is refused, and nothing "
     "is written: other records at an offset are amendments. No operator may own the data directory.",
     "rewind journal import orders.yaml --yes\nrewind journal import orders.yaml orders.jsonl --dry-run\nrewind journal import --data rewind-data/orders/0 orders.jsonl --yes",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_CORRUPT, RWD_EXIT_LOCKED, RWD_EXIT_INCOMPATIBLE, RWD_EXIT_NOT_FOUND}, rwd_run_journal_import},
    {"state get", RWD_JOB_FINDS, "KEY...", 1, 8, FINDS | F(OUTPUT) | F(TABLE) | F(CHECKPOINT),
     "one key's row",
     "From the running operator as of its next batch boundary; from a checkpoint with --checkpoint, or where no operator runs from the newest. A key of several fields is "
     "several arguments. \\N is null.",
     "rewind state get orders.yaml C000042\nrewind state get orders.yaml --table hourly DE sale\nrewind state get --data rewind-data/orders/0 --checkpoint latest C000042",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND, RWD_EXIT_BUSY}, rwd_run_state_get},
    {"state scan", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT) | F(TABLE) | F(CHECKPOINT) | F(LIMIT),
     "rows of a table, in the order of the store",
     "Reads a checkpoint. Where an operator runs and --checkpoint is not given, it is asked for a new one first. For rows in key order, and for all of them, use export.",
     "rewind state scan orders.yaml --limit 20\nrewind state scan orders.yaml --table hourly -o json --limit 0",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND}, rwd_run_state_scan},
    {"state at", RWD_JOB_FINDS, "[KEY...]", 0, 8, FINDS | F(OUTPUT) | F(TABLE) | F(OFFSET) | F(TIME) | F(LIMIT),
     "rows as they were at a place of the input",
     "With a key that row, else the rows of a table in the order of the store. The place is the one before the record at --offset N, or before the first record whose time is at or after "
     "--time T (see restore). The state there is built from the nearest good checkpoint at or below it and the records between, in a private folder below TMPDIR (/var/tmp), which is removed at "
     "the end; the job's own state, outputs and offsets are not touched, whether an operator runs or not.\n\n"
     "It takes as much memory as the job does (state.memory) and as much of that folder as the state. Where TMPDIR is on the file system of the data directory, files are linked and "
     "not copied.",
     "rewind state at orders.yaml --offset 1200000 C000042\nrewind state at orders.yaml --time 12:00 --table hourly DE sale\nrewind state at orders.yaml --time 2026-03-01T12:00:00Z "
     "--limit 0 -o json",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_NOT_FOUND, RWD_EXIT_CORRUPT, RWD_EXIT_SOURCE}, rwd_run_state_at},
    {"export", RWD_JOB_FINDS, "", 0, 0, FINDS | F(TABLE) | F(CHECKPOINT) | F(FORMAT) | F(FILE),
     "a whole table as JSON Lines or CSV, sorted by key",
     "The same checkpoint gives the same bytes every time. Where an operator runs and --checkpoint is not given, it is asked for a new one first. A file is there whole or "
     "not at all.",
     "rewind export orders.yaml --format csv -f customers.csv\nrewind export --data rewind-data/orders/0 --checkpoint before-migration --table hourly",
     {RWD_EXIT_OK, RWD_EXIT_NOT_FOUND, RWD_EXIT_IO, RWD_EXIT_CORRUPT}, rwd_run_export},
    {"config check", RWD_JOB_REQUIRED, "", 0, 0, F(SET) | F(OUTPUT),
     "read a job file and say what is wrong with it",
     "Checks every key, type and reference, not the input. Exit 0: the file is fine.",
     "rewind config check orders.yaml",
     {RWD_EXIT_OK, RWD_EXIT_USAGE}, rwd_run_config_check},
    {"config print", RWD_JOB_REQUIRED, "", 0, 0, F(SET) | F(OUTPUT),
     "a job file with all defaults filled in",
     "YAML, or JSON with -o json. Loading what is printed gives the same job.",
     "rewind config print orders.yaml --set checkpoints.every=5s",
     {RWD_EXIT_OK, RWD_EXIT_USAGE}, rwd_run_config_print},
    {"config schema", RWD_JOB_NEVER, "", 0, 0, 0,
     "the JSON Schema of job files",
     "For editors that complete and check YAML.",
     "rewind config schema > rewind.schema.json",
     {RWD_EXIT_OK}, rwd_run_config_schema},
    {"config proto", RWD_JOB_REQUIRED, "", 0, 0, F(SET),
     "the .proto of rows that a job writes as protobuf",
     "One message per table, for whoever reads the outputs. A field keeps its number when aggregates are added behind the others.",
     "rewind config proto orders.yaml > orders_rows.proto",
     {RWD_EXIT_OK, RWD_EXIT_USAGE}, rwd_run_config_proto},
    {"plugin check", RWD_JOB_NEVER, "FILE", 1, 1, F(SEED),
     "what a plugin brings, and whether its aggregates keep what they promise",
     "Loads FILE as a job would, and feeds each aggregate random values of the types that it takes: the same values must give the same bytes whatever is computed in between, "
     "an empty cell that is merged must change nothing, and where the plugin says that order does not matter, other orders and splits must give the same bytes. "
     "Decoders are listed. --seed picks other values.",
     "rewind plugin check ./shop.so\nrewind plugin check ./shop.so --seed 7",
     {RWD_EXIT_OK, RWD_EXIT_DIFFERENT, RWD_EXIT_USAGE, RWD_EXIT_PLUGIN}, rwd_run_plugin_check},
    {"doctor", RWD_JOB_FINDS, "", 0, 0, FINDS | F(OUTPUT),
     "look at this machine and the data directory for what would go wrong",
     "Libraries, a real write, fsync and read in the data directory (or where it would be made), free space, permissions, limits, the kind of file system, huge "
     "pages. Without a job file or a data directory the working directory is looked at.",
     "rewind doctor\nrewind doctor orders.yaml -o json",
     {RWD_EXIT_OK, RWD_EXIT_DIFFERENT}, rwd_run_doctor},
    {"generate", RWD_JOB_NEVER, "orders", 1, 1, F(RECORDS) | F(SEED) | F(KEYS) | F(SKEWED) | F(FORMAT) | F(BAD) | F(INJECT) | F(FAULTS) | F(AMENDMENTS) | F(TRUTH) | F(RATE) |
     F(FILE),
     "records to try things with",
     "Orders: an id, a time, a customer, a country, an article, a quantity, an amount. The same seed gives the same bytes, whatever the number of records: fewer records are the beginning of more. "
     "With --rate it writes to the file in place, for a job that follows it.\n\n"
     "With --inject things go wrong in them, by chance and the same for the same seed: records are lost, one by one or in gaps of up to 60, come again 37 records later, come late by 5000 "
     "records, are malformed, or have ten times their amount. --faults lists each: {\"offset\":12,\"fault\":\"late\",\"id\":11,\"belongs\":7,\"truth\":\"...\"}: where it stands (null: not at all), "
     "in front of which offset it belongs (null: nowhere, it is a duplicate), and the record as it should be. --amendments has what mends all of them, for --amend of repair plan, replay and restore.",
     "rewind generate orders --records 1000000 -f orders.jsonl\nrewind generate orders --records 1000 --format csv --bad 5000\n"
     "rewind generate orders --records 100000 --inject lost=200,duplicated=200,price=50000..60000 --faults faults.jsonl --truth true.jsonl -f orders.jsonl",
     {RWD_EXIT_OK, RWD_EXIT_USAGE, RWD_EXIT_IO}, rwd_run_generate},
    {"docs", RWD_JOB_NEVER, "PAGE", 1, 1, 0,
     "a page of the reference manual, as Markdown",
     "PAGE is commands, config, metrics, errors, kafka, aggregates, formats or crash-points. The pages are made from the same tables as the program.",
     "rewind docs config",
     {RWD_EXIT_OK, RWD_EXIT_USAGE}, rwd_run_docs},
    {"version", RWD_JOB_NEVER, "", 0, 0, F(OUTPUT),
     "which build this is",
     "Version and commit, as written into every manifest.",
     "rewind version",
     {RWD_EXIT_OK}, rwd_run_version},
    {"help", RWD_JOB_NEVER, "[COMMAND...]", 0, 2, 0,
     "the commands, or one of them",
     "",
     "rewind help checkpoint list",
     {RWD_EXIT_OK, RWD_EXIT_USAGE}, rwd_run_help},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const rwd_command *rwd_command_at(size_t index) { return index < COMMAND_COUNT ? &commands[index] : NULL; }

const rwd_command *rwd_command_find(const char *name) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

bool rwd_command_is_group(const char *word) {
    size_t size = strlen(word);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strncmp(commands[i].name, word, size) == 0 && commands[i].name[size] == ' ') return true;
    return false;
}

static const rwd_exit_row exits[] = {
    {RWD_EXIT_OK, "it worked"},
    {RWD_EXIT_DIFFERENT, "a comparison or a check found a difference"},
    {RWD_EXIT_USAGE, "the command line or the job file has a mistake, or a plan was printed and not carried out because --yes was not said"},
    {RWD_EXIT_IO, "the system refused: disk full, permission, I/O error"},
    {RWD_EXIT_CORRUPT, "bytes on disk are not what was written"},
    {RWD_EXIT_LOCKED, "another process owns the data directory"},
    {RWD_EXIT_INCOMPATIBLE, "the data directory is another job's or a newer version's, or the commits are"},
    {RWD_EXIT_LOGIC, "the job file's logic is not the logic that made this state"},
    {RWD_EXIT_SOURCE, "the input is not what it was: shrunk, replaced, or not where it was committed"},
    {RWD_EXIT_FENCED, "another owner took over"},
    {RWD_EXIT_NOT_FOUND, "the key, checkpoint or running operator asked for is not there"},
    {RWD_EXIT_BUSY, "the operator cannot answer now: try again"},
    {RWD_EXIT_PLUGIN, "a plugin crashed, did not return, broke the rules of its interface, or went on asking for another try"},
    {RWD_EXIT_INTERNAL, "a bug in Rewind"},
    {RWD_EXIT_INTERRUPTED, "a second SIGINT"},
};
#define EXIT_COUNT (sizeof(exits) / sizeof(exits[0]))

const rwd_exit_row *rwd_exit_at(size_t index) { return index < EXIT_COUNT ? &exits[index] : NULL; }

const char *rwd_exit_meaning(rwd_exit code) {
    for (size_t i = 0; i < EXIT_COUNT; i++)
        if (exits[i].code == code) return exits[i].meaning;
    return NULL;
}
