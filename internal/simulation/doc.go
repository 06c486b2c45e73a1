// Package simulation looks for schedules at which a record is lost or an old value
// stays. The real activities of ingress, egress and opt-outs, the ledger on SQLite and the
// sandboxes run over in-memory connections in one bubble of testing/synctest, under
// a small at-least-once scheduler in Temporal's place. A seed decides everything:
// edits on both sides, faults and false answers, attempts that are suspended or
// killed, operators who interrupt, old ledgers that are restored, clocks that jump.
// At rest both systems are compared, record by record, and every run is to balance. So are
// the links of records that name others, and nobody waits for a parent that is there.
//
// An attempt waits for the schedule at its seams: before and after its activity, and
// at each request before the service has it and before the answer is back. The last
// is also the place before a commit, since a commit follows on an answer. Between two
// seams one thing moves at a time, so a seed repeats to the last request. Each attempt
// is a worker of its own, which shares only the ledger: harsher than workers are to
// each other, and what two of them on PostgreSQL are.
//
// It is tests only: TestSimulation in CI, and `make simulate` for hours.
package simulation
