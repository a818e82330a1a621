// Package resource writes and reads the names of the API's resources, such as
// "evaluations/e1/runs/r1".
//
// A name is a path of collections and ids. Ids never hold a slash, except those
// of models, which are the last part of their names. Readers return false for
// whatever is not exactly a name; they never guess.
package resource

import (
	"regexp"
	"strings"

	"github.com/unmask-eval/unmask/internal/run"
	"github.com/unmask-eval/unmask/internal/scenario"
)

// Wildcard stands for every id in the parent of a list.
const Wildcard = "-"

// MaxModelBytes is the length of the longest model id.
const MaxModelBytes = 512

var (
	idPattern         = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	transcriptPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$`)
	behaviorPattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	modelPattern      = regexp.MustCompile(`^[A-Za-z0-9][!-~]*$`)
)

// ValidID reports whether id may name a resource: 1 to 63 lower-case letters,
// digits and hyphens, with no hyphen at either end.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// ValidBehavior reports whether id may name a behaviour: 1 to 63 lower-case
// letters, digits and underscores with a letter first.
func ValidBehavior(id string) bool { return behaviorPattern.MatchString(id) }

// ValidModel reports whether id may name a model: a letter or digit, then any
// printable ASCII characters without a space, at most MaxModelBytes in all.
func ValidModel(id string) bool { return len(id) <= MaxModelBytes && modelPattern.MatchString(id) }

// RunName is a run without the project that it belongs to.
type RunName struct{ Evaluation, Run string }

// In returns the key of the run in a project.
func (n RunName) In(project string) run.RunKey {
	return run.RunKey{Project: project, Evaluation: n.Evaluation, Run: n.Run}
}

// Evaluation reads "evaluations/{evaluation}".
func Evaluation(name string) (id string, ok bool) { return single(name, "evaluations") }

// Evaluations reads "evaluations/{evaluation}" and "evaluations/-", which
// stands for all and is returned as Wildcard.
func Evaluations(name string) (id string, ok bool) { return orWildcard(name, "evaluations") }

// Run reads "evaluations/{evaluation}/runs/{run}".
func Run(name string) (RunName, bool) {
	ids, ok := split(name, "evaluations", "runs")
	if !ok || !ValidID(ids[0]) || !ValidID(ids[1]) {
		return RunName{}, false
	}
	return RunName{ids[0], ids[1]}, true
}

// Transcript reads "evaluations/{evaluation}/runs/{run}/transcripts/{transcript}".
func Transcript(name string) (r RunName, id string, ok bool) {
	parent, id := parentOf(name, "transcripts")
	r, ok = Run(parent)
	if !ok || !transcriptPattern.MatchString(id) {
		return RunName{}, "", false
	}
	return r, id, true
}

// Transcripts reads the name of a transcript, or of all of a run:
// ".../transcripts/-", whose id is returned as Wildcard.
func Transcripts(name string) (r RunName, id string, ok bool) {
	parent, id := parentOf(name, "transcripts")
	if r, ok = Run(parent); ok && id == Wildcard {
		return r, Wildcard, true
	}
	return Transcript(name)
}

// Verdict reads ".../transcripts/{transcript}/verdicts/{verdict}".
func Verdict(name string) (r RunName, transcript, id string, ok bool) {
	parent, id := parentOf(name, "verdicts")
	r, transcript, ok = Transcript(parent)
	if !ok || !ValidID(id) {
		return RunName{}, "", "", false
	}
	return r, transcript, id, true
}

// Gate reads "gates/{gate}".
func Gate(name string) (id string, ok bool) { return single(name, "gates") }

// Gates reads "gates/{gate}" and "gates/-", which stands for all and is
// returned as Wildcard.
func Gates(name string) (id string, ok bool) { return orWildcard(name, "gates") }

// Decision reads "gates/{gate}/decisions/{decision}", where {gate} may be "-"
// for a policy that had no name.
func Decision(name string) (gate, id string, ok bool) {
	ids, ok := split(name, "gates", "decisions")
	if !ok || !ValidID(ids[1]) || (ids[0] != Wildcard && !ValidID(ids[0])) {
		return "", "", false
	}
	return ids[0], ids[1], true
}

// Grader reads "graders/{grader}".
func Grader(name string) (id string, ok bool) { return single(name, "graders") }

// Graders reads "graders/{grader}" and "graders/-", which stands for all and is
// returned as Wildcard.
func Graders(name string) (id string, ok bool) { return orWildcard(name, "graders") }

// Calibration reads "graders/{grader}/calibrations/{calibration}".
func Calibration(name string) (grader, id string, ok bool) {
	ids, ok := split(name, "graders", "calibrations")
	if !ok || !ValidID(ids[0]) || !ValidID(ids[1]) {
		return "", "", false
	}
	return ids[0], ids[1], true
}

// LabelSet reads "labelSets/{label_set}".
func LabelSet(name string) (id string, ok bool) { return single(name, "labelSets") }

// Human reads "humans/{human}", the name of a person who gave a verdict.
func Human(name string) (id string, ok bool) { return single(name, "humans") }

// Model reads "models/{model}"; the id may hold slashes.
func Model(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, "models/")
	return id, ok && ValidModel(id)
}

// Scenario reads "scenarios/{scenario}" and "scenarios/{scenario}@{revision}",
// and returns what follows the slash.
func Scenario(name string) (ref string, ok bool) {
	ref, ok = strings.CutPrefix(name, "scenarios/")
	if !ok {
		return "", false
	}
	if _, _, err := scenario.ParseRef(ref); err != nil {
		return "", false
	}
	return ref, true
}

// Scenarios reads what Scenario does and "scenarios/{scenario}--*", with or
// without the scenario's revision, which stands for all variants of a scenario.
func Scenarios(name string) (ref string, ok bool) {
	base, all := strings.CutSuffix(name, scenario.AllVariants)
	ref, ok = Scenario(base)
	if !ok || !all {
		return ref, ok
	}
	if _, _, variant := scenario.SplitVariant(ref); variant {
		return "", false
	}
	return ref + scenario.AllVariants, true
}

// ScenarioID reads "scenarios/{scenario}", without a revision.
func ScenarioID(name string) (id string, ok bool) { return single(name, "scenarios") }

// ScenarioName is the name of a scenario, pinned unless revision is empty.
func ScenarioName(id, revision string) string {
	if revision == "" {
		return "scenarios/" + id
	}
	return "scenarios/" + id + "@" + revision
}

// GraderName is the name of a grader.
func GraderName(id string) string { return "graders/" + id }

// ModelName is the name of a model.
func ModelName(id string) string { return "models/" + id }

// TranscriptName is the name of a transcript.
func TranscriptName(key run.RunKey, id string) string { return key.Name() + "/transcripts/" + id }

// VerdictName is the name of a verdict.
func VerdictName(key run.RunKey, transcript, id string) string {
	return TranscriptName(key, transcript) + "/verdicts/" + id
}

// DecisionName is the name of a decision.
func DecisionName(gate, id string) string { return run.GateName(gate) + "/decisions/" + id }

func single(name, collection string) (string, bool) {
	ids, ok := split(name, collection)
	if !ok || !ValidID(ids[0]) {
		return "", false
	}
	return ids[0], true
}

func orWildcard(name, collection string) (string, bool) {
	if name == collection+"/"+Wildcard {
		return Wildcard, true
	}
	return single(name, collection)
}

// split takes a name apart into the ids of exactly these collections.
func split(name string, collections ...string) ([]string, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 2*len(collections) {
		return nil, false
	}
	ids := make([]string, len(collections))
	for i, c := range collections {
		if parts[2*i] != c {
			return nil, false
		}
		ids[i] = parts[2*i+1]
	}
	return ids, true
}

// parentOf cuts "/{collection}/{id}" off the end of a name; both are empty when
// it does not end so.
func parentOf(name, collection string) (parent, id string) {
	at := strings.LastIndex(name, "/")
	if at < 0 {
		return "", ""
	}
	parent, ok := strings.CutSuffix(name[:at], "/"+collection)
	if !ok {
		return "", ""
	}
	return parent, name[at+1:]
}
