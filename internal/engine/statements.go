package engine

// statements are our own on River's table, in the words of one database. The
// number of live jobs is bounded by the windows of the runs, and the index that
// River fetches by finds them, so arguments need none.
type statements struct {
	// active lists kind and arguments of a run's live jobs; drop deletes its shards
	// that nobody works on. Both take project, evaluation and run.
	active, drop string
}

const (
	activeWhere = ` FROM river_job WHERE queue IN ('` + foremenQueue + `', '` + shardsQueue + `')
		AND state IN ('available', 'pending', 'retryable', 'running', 'scheduled')`
	dropWhere = `DELETE FROM river_job WHERE queue = '` + shardsQueue + `'
		AND state IN ('available', 'pending', 'retryable', 'scheduled')`
)
