package app

import (
	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model/record"
	"github.com/unmask-eval/unmask/internal/run"
)

// addReplay reads the recording of a model that answers from one.
func (m *models) addReplay(c config.Model) error {
	replay, err := record.Load(c.File, c.ModelID)
	if err != nil {
		return &config.Error{Problems: []config.Problem{{Key: "models." + c.Name + ".file", Message: err.Error()}}}
	}
	m.replays[c.Name] = replay
	m.prices[c.Name] = run.Prices{Input: c.InputPrice, Output: c.OutputPrice}
	m.known = append(m.known, c.Name)
	// Where the recording lies is of no account; what it answers is.
	m.identities[c.Name] = c.Provider + " " + replay.Digest()
	return nil
}

// record keeps every exchange from now on in a file.
func (m *models) record(path string) error {
	if path == "" {
		return nil
	}
	f, err := record.Open(path)
	if err != nil {
		return &config.Error{Problems: []config.Problem{{Key: "runs.record", Message: err.Error()}}}
	}
	m.recording = f
	return nil
}
