package gemini

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The categories of the provider's adjustable filters, and the word for all that it
// has today. Civic integrity is a category of models of before.
const (
	AllCategories    = "all"
	Harassment       = "harassment"
	HateSpeech       = "hate_speech"
	SexuallyExplicit = "sexually_explicit"
	DangerousContent = "dangerous_content"
	CivicIntegrity   = "civic_integrity"
)

// Categories are those that a filter can be set for by name.
var Categories = []string{AllCategories, CivicIntegrity, DangerousContent, Harassment, HateSpeech, SexuallyExplicit}

// Thresholds are from which probability of harm on a filter blocks: never, and not
// even rated; never; or from a probability on.
var Thresholds = []string{"off", "block_none", "block_only_high", "block_medium_and_above", "block_low_and_above"}

type wireSafety struct {
	Category  string `json:"category"`
	Threshold string `json:"threshold"`
}

// safetySettings returns what is sent for thresholds by category. What is set for a
// category goes before what is set for all.
func safetySettings(set map[string]string) ([]wireSafety, error) {
	var problems []error
	thresholds := map[string]string{}
	for _, category := range slices.Sorted(maps.Keys(set)) {
		threshold := set[category]
		switch {
		case !slices.Contains(Categories, category):
			problems = append(problems, fmt.Errorf("safety_settings has a category that is none of %s", strings.Join(Categories, ", ")))
		case !slices.Contains(Thresholds, threshold):
			problems = append(problems, fmt.Errorf("safety_settings.%s is none of %s", category, strings.Join(Thresholds, ", ")))
		case category == AllCategories: // it comes first
			for _, c := range []string{DangerousContent, Harassment, HateSpeech, SexuallyExplicit} {
				thresholds[c] = threshold
			}
		default:
			thresholds[category] = threshold
		}
	}
	var out []wireSafety
	for _, category := range slices.Sorted(maps.Keys(thresholds)) {
		out = append(out, wireSafety{"HARM_CATEGORY_" + strings.ToUpper(category), strings.ToUpper(thresholds[category])})
	}
	return out, errors.Join(problems...)
}
