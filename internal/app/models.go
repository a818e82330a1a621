package app

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/model/record"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/model/wire"
	"github.com/unmask-eval/unmask/internal/run"
)

// simPrefix starts the names of simulated models.
const simPrefix = "sim/"

// models resolves names: configured endpoints, and simulated models, which
// need no configuration.
type models struct {
	named map[string]*wire.Client
	// prices has those of configured models.
	prices map[string]run.Prices
	known  []string
	// identities pin what stands behind the names.
	identities map[string]string
	sim        sim.Options
	// replays are the models that answer from recordings.
	replays map[string]*record.Replay
	// recording is where exchanges are kept, or nil.
	recording *record.File
	// configs are the settings of configured models by name.
	configs map[string]config.Model
	// limiters are shared by all names of one endpoint.
	limiters map[string]*limit.Limiter

	mu    sync.Mutex
	built map[string]model.Model
}

// maxBuilt bounds the simulated models that are kept; names come from callers.
const maxBuilt = 1024

func newModels(list []config.Model, simOptions sim.Options) (*models, error) {
	m := &models{named: map[string]*wire.Client{}, prices: map[string]run.Prices{}, identities: map[string]string{}, sim: simOptions, built: map[string]model.Model{}}
	m.limiters, m.replays, m.configs = newLimiters(list), map[string]*record.Replay{}, map[string]config.Model{}
	for _, c := range list {
		m.configs[c.Name] = c
		if c.Provider == config.ProviderReplay {
			if err := m.addReplay(c); err != nil {
				return nil, errors.Join(err, m.close())
			}
			continue
		}
		client, err := newEndpoint(c, m.transport(c))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("model %q: %w", c.Name, err), m.close())
		}
		m.named[c.Name] = client
		m.prices[c.Name] = run.Prices{Input: c.InputPrice, Output: c.OutputPrice}
		m.known = append(m.known, c.Name)
		m.identities[c.Name] = endpointIdentity(c)
	}
	return m, nil
}

// identity pins the model that a name stands for: the endpoint and its id there,
// or, of a simulated model, the name, which says all that it does.
func (m *models) identity(id string) string {
	if identity, ok := m.identities[id]; ok {
		return identity
	}
	return id
}

// Model implements run.Models. What is asked of the model is recorded, if anything is.
func (m *models) Model(id string) (model.Model, error) {
	found, err := m.unrecorded(id)
	if err != nil || m.recording == nil {
		return found, err
	}
	return m.recording.Model(found, id, m.identity(id)), nil
}

func (m *models) unrecorded(id string) (model.Model, error) {
	if client, ok := m.named[id]; ok {
		return client, nil
	}
	if replay, ok := m.replays[id]; ok {
		return replay, nil
	}
	if !strings.HasPrefix(id, simPrefix) {
		return nil, run.Invalid("model", "there is no model %.120q; known are %s and the simulated models, such as %q",
			id, m.configured(), "sim/alignment-faker")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if built, ok := m.built[id]; ok {
		return built, nil
	}
	built, err := sim.New(id, m.sim)
	if err != nil {
		return nil, run.Invalid("model", "%v", err)
	}
	if len(m.built) < maxBuilt {
		m.built[id] = built
	}
	return built, nil
}

// Prices implements run.ModelPrices.
func (m *models) Prices(id string) run.Prices { return m.prices[id] }

func (m *models) configured() string {
	if len(m.known) == 0 {
		return "no configured ones"
	}
	return strings.Join(m.known, ", ")
}

func (m *models) close() error {
	for _, c := range m.named {
		c.Close()
	}
	if m.recording == nil {
		return nil
	}
	return m.recording.Close()
}
