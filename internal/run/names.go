package run

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
)

// Name is the run's resource name.
func (k RunKey) Name() string { return "evaluations/" + k.Evaluation + "/runs/" + k.Run }

// EvaluationName is the resource name of an evaluation.
func EvaluationName(id string) string { return "evaluations/" + id }

// GateName is the resource name of a gate.
func GateName(id string) string { return "gates/" + id }

// ScenarioName is the resource name of a scenario.
func ScenarioName(id string) string { return "scenarios/" + id }

// LabelSetName is the resource name of a label set.
func LabelSetName(id string) string { return "labelSets/" + id }

// CalibrationName is the resource name of a calibration.
func CalibrationName(grader, id string) string { return "graders/" + grader + "/calibrations/" + id }

// lowerBase32 keeps generated ids within the letters that ids may have.
var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newID returns an id that sorts by creation time to the second and is unique
// beyond: "20261122-140035-" and 40 random bits.
func newID(now time.Time) string {
	var b [5]byte
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(b[:])
	return strings.Join([]string{now.UTC().Format("20060102-150405"), lowerBase32.EncodeToString(b[:])}, "-")
}

// DefaultProject owns everything where callers are not told apart.
const DefaultProject = "default"
