package app

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/sim"
)

// Author is a model without a service around it, for commands that have it write.
// Close it when it is no longer needed.
type Author struct {
	// Model is the model.
	Model model.Model
	// Identity is a digest of what stands behind its name.
	Identity string
	// InputPrice and OutputPrice are what a million tokens cost; nil where not known.
	InputPrice, OutputPrice *float64

	models *models
}

// NewAuthor reaches the model that the settings, or the simulator, know by a name.
func NewAuthor(cfg config.Config, name string) (*Author, error) {
	m, err := newModels(cfg.Models, sim.Options{})
	if err != nil {
		return nil, err
	}
	asked, err := m.Model(name)
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	sum := sha256.Sum256([]byte(m.identity(name)))
	prices := m.Prices(name)
	return &Author{asked, "sha256:" + hex.EncodeToString(sum[:]), prices.Input, prices.Output, m}, nil
}

// Close closes what the model holds open.
func (a *Author) Close() { _ = a.models.close() }
