package documents

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed facts/*.yaml
var factFiles embed.FS

// ControlID is the id of the built-in set of unrelated facts.
const ControlID = "control"

// BuiltIn returns the built-in set with an id, or false if there is none. An
// error is a fault of the build.
func BuiltIn(id string) (*Set, bool, error) {
	ids, err := BuiltIns()
	if err != nil || !slices.Contains(ids, id) {
		return nil, false, err
	}
	data, err := factFiles.ReadFile("facts/" + id + ".yaml")
	if err != nil {
		return nil, false, fmt.Errorf("read built-in facts: %w", err)
	}
	s, err := Load(id+".yaml", data)
	return s, err == nil, err
}

// BuiltIns lists the ids of the built-in sets, sorted.
func BuiltIns() ([]string, error) {
	entries, err := factFiles.ReadDir("facts")
	if err != nil {
		return nil, fmt.Errorf("read built-in facts: %w", err)
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return ids, nil
}
