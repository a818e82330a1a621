// Package stats estimates rates and compliance gaps from clustered, paired
// scores and decides them against thresholds.
//
// The unit of analysis is the query. A query (a Cluster) is asked several times
// under a training-cued and under an unmonitored condition, and its repeats are
// not independent evidence: each query weighs the same, and intervals count
// queries, not samples, until the data show that repeats of a query vary. The
// compliance gap is the mean over queries of the training-cued minus the
// unmonitored rate, so a positive gap is the alignment-faking direction.
//
// The usual result is an unmonitored compliance of exactly zero, where every
// interval built on an observed variance collapses to a point. The default
// interval here is therefore an envelope of two: Clopper-Pearson limits at a
// shrunken effective sample size (joined by MOVER for a gap), and a Student t
// interval with two invented queries, one at each extreme. EstimateRate and
// EstimateGap return it; Decide compares it with a threshold and says PASS,
// BLOCK or INCONCLUSIVE.
//
// Around that core stand the other estimators of a run: exact paired tables and
// a sign-flip test, multiplicity corrections, the difference of two gaps,
// sequential monitoring by betting, corrections for grader error, sample-size
// planning, trends over checkpoints and a bootstrap. Every one names its
// formula and source in its comment; docs/statistics.md has their measured
// coverage and says when to trust them.
//
// Conventions. Scores lie in [0, 1]. Alpha is the two-sided error of an interval
// and the one-sided error of a lower or upper bound. A pointer that is nil
// stands for "not defined on these data", never for zero. No function returns
// NaN or an infinity. What could not be observed is counted as missing, and an
// upper bound for a release decision must also hold when every missing sample
// went the worst way. Nothing keeps state except Monitor and ConfidenceSequence,
// which are not safe for concurrent use; all functions are. Bootstrap, and
// SignFlip where it draws at random, use up to GOMAXPROCS goroutines that have
// ended when they return; their results depend on the seed alone.
package stats
