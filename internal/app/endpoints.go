package app

import (
	"cmp"

	"github.com/unmask-eval/unmask/internal/config"
	"github.com/unmask-eval/unmask/internal/model/limit"
	"github.com/unmask-eval/unmask/internal/model/transport"
)

// endpointKey tells what the limits of an endpoint hang on: the same model at the
// same place, asked on the same account, whatever the names it is configured under.
func endpointKey(c config.Model) string {
	return c.Provider + "\n" + c.BaseURL + "\n" + c.ModelID + "\n" + c.APIKeyEnv + "\n" + c.APIKeyFile
}

// newLimiters makes one limiter for each endpoint; of bounds that differ between its
// names, the narrower one holds.
func newLimiters(list []config.Model) map[string]*limit.Limiter {
	bounds := map[string]limit.Config{}
	for _, c := range list {
		key := endpointKey(c)
		bounds[key] = bounds[key].Stricter(limit.Config{
			MaxConcurrency: c.MaxConcurrency, RequestsPerMinute: c.RequestsPerMinute, TokensPerMinute: c.TokensPerMinute, MaxWait: c.MaxWait,
		})
	}
	limiters := make(map[string]*limit.Limiter, len(bounds))
	for key, b := range bounds {
		limiters[key] = limit.New(b)
	}
	return limiters
}

// transport is how a configured endpoint is called.
func (m *models) transport(c config.Model) transport.Config {
	return transport.Config{
		CallTimeout: c.Timeout, ConnectTimeout: c.ConnectTimeout, FirstByteTimeout: cmp.Or(c.FirstByteTimeout, c.Timeout),
		MaxAttempts: c.MaxAttempts, Concurrency: cmp.Or(c.MaxConcurrency, limit.DefaultMaxConcurrency), Limiter: m.limiters[endpointKey(c)],
	}
}
