// Package sqlite keeps everything in one SQLite file. It is the run.Store of
// one machine with nothing to install.
//
//	callers ──► queue ──► writer ──► unmask.db ◄── readers ◄── callers
//	            (bounded) (one goroutine,  (WAL)    (pool, query_only)
//	                       group commit)
//
// SQLite allows one writer at a time, so there is exactly one: a goroutine
// that takes what has queued up, up to a number of rows, and commits it as one
// transaction. Each request has a savepoint in it, so that one which is refused
// takes nothing with it, and its caller is told when the commit is done and
// not before. Reads go to a pool of other connections and never wait for the
// writer. No connection is held while a caller's function runs.
//
// A finished sample is two rows: a narrow one in transcripts, which is all that
// lists, filters and results read, and a compressed one in transcript_texts.
// Prompts are kept once for a run. docs/storage.md has the schema, the sizes,
// and what survives which kind of failure.
//
// The file belongs to one process. Open takes a lock beside it and refuses
// with a *LockedError when another process has it.
package sqlite
