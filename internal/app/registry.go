package app

import (
	"cmp"
	"slices"
	"strings"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/model/sim"
	"github.com/unmask-eval/unmask/internal/model/transport"
	"github.com/unmask-eval/unmask/internal/run"
)

// providerSim is the provider of simulated models.
const providerSim = "sim"

var _ run.ModelRegistry = (*models)(nil)

// ListModels implements run.ModelRegistry.
func (m *models) ListModels() []run.ModelInfo {
	var all []run.ModelInfo
	for _, c := range m.configs {
		all = append(all, m.describe(c))
	}
	for _, e := range sim.Catalog() {
		all = append(all, run.ModelInfo{ID: e.Name, Provider: providerSim, Description: e.Description})
	}
	slices.SortFunc(all, func(a, b run.ModelInfo) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// DescribeModel implements run.ModelRegistry.
func (m *models) DescribeModel(id string) (run.ModelInfo, error) {
	if c, ok := m.configs[id]; ok {
		return m.describe(c), nil
	}
	if !strings.HasPrefix(id, simPrefix) {
		return run.ModelInfo{}, &run.NotFoundError{Name: "models/" + id}
	}
	if _, err := m.unrecorded(id); err != nil {
		return run.ModelInfo{}, err
	}
	info := run.ModelInfo{ID: id, Provider: providerSim}
	name, _, _ := strings.Cut(id, "?")
	for _, e := range sim.Catalog() {
		if e.Name == name {
			info.Description = e.Description
		}
	}
	return info, nil
}

func (m *models) describe(c config.Model) run.ModelInfo {
	info := run.ModelInfo{ID: c.Name, Provider: c.Provider, ModelID: c.ModelID, Prices: m.prices[c.Name]}
	if r, ok := m.replays[c.Name]; ok {
		info.Recording = &run.Recording{Digest: r.Digest(), Exchanges: r.Exchanges(), Truncated: r.Truncated()}
		return info
	}
	info.Endpoint, info.APIKeyEnv, info.APIKeyFile = c.BaseURL, c.APIKeyEnv, c.APIKeyFile
	limiter := m.limiters[endpointKey(c)]
	b, s := limiter.Config(), limiter.Stats()
	info.Limits = &run.ModelLimits{
		MaxConcurrency: b.MaxConcurrency, RequestsPerMinute: b.RequestsPerMinute, TokensPerMinute: b.TokensPerMinute, MaxWait: b.MaxWait,
		Connect: cmp.Or(c.ConnectTimeout, transport.DefaultConnectTimeout), FirstByte: cmp.Or(c.FirstByteTimeout, c.Timeout),
		Timeout: c.Timeout, MaxAttempts: c.MaxAttempts,
	}
	info.Load = loadOf(s)
	return info
}

func loadOf(s limit.Stats) *run.ModelLoad {
	return &run.ModelLoad{
		Limit: s.Limit, InFlight: s.InFlight, Waiting: s.Waiting, Refusing: s.Refusing, Unavailable: s.Open, PausedUntil: s.PausedUntil,
		Share: s.Share, Processes: s.Processes, ShareExpired: s.Expired,
	}
}
