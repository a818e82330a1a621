// Package statsdoc runs every estimator of package stats on a plain document: a
// table of labels and a configuration go in as one JSON object (or a CSV file),
// and one flat JSON object with the results comes out. It is what stands behind
// "unmask stats", so that a script, a notebook or a checker in another language
// can use the estimators without the service.
//
// A document is {"type", "config", "data"}. The type chooses the analysis:
// paired_gap, af_rates, paired_table, permutation, gate, multiplicity, did,
// sequential, rogan_gladen, ppi, audit, agreement, power, trend or bootstrap.
// The data are {"columns", "rows"} with a row per planned sample; a row labelled
// "error" was planned but is missing. Conditions are called "free" (training is
// cued) and "paid" (unmonitored) here, and only here, after the two tiers of
// users in the original experiment. docs/statistics.md lists the keys.
//
// A result that is not defined is null, never 0, and a NaN or an infinity is
// never written. What is wrong with a document is said in a *stats.InputError
// that names the field, and nothing is written then. Nothing of the document's
// text but field names, indices and query IDs appears in errors.
package statsdoc
