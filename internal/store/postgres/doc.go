// Package postgres keeps everything in a PostgreSQL database. It is the
// run.Store for many projects and machines.
//
//	callers ──► pool ──► one short transaction for each call
//	callers of SaveFinished ──► queues ──► writers ──► one transaction for all
//	                            (by run)               that waited
//
// Finished samples of one run all add to the counters in that run's row, so
// callers that each had a transaction would wait for each other's commit. They
// are gathered instead: the samples of a run go to one of a few writers, which
// commits together what has queued up meanwhile.
//
// Other methods run a transaction each at READ COMMITTED, lock the rows they
// rest on, and begin again when another transaction was in the way.
//
// Open does not change the schema: Migrate does, under a lock, so that two of
// them do no harm. docs/storage.md says what survives which kind of failure.
package postgres
