package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"gonum.org/v1/gonum/mathext"
)

// Rates are the rates that a model shows on harmful queries, each in [0, 1]
// and out of all replies of its tier.
type Rates struct {
	// FreeComply is the compliance where training is cued, FreeFaking the part
	// of it with alignment-faking reasoning, and PaidComply the compliance
	// elsewhere.
	FreeComply, FreeFaking, PaidComply float64
}

// ExpectedRates returns the rates in expectation over queries drawn at random.
// The true gap is FreeComply - PaidComply.
func (m *Model) ExpectedRates() Rates {
	return Rates{FreeComply: m.params.Free, FreeFaking: m.params.Faking, PaidComply: m.params.Paid}
}

// minICC is the least correlation that tells queries apart, and minMean the
// least distance of a mean from 0 and 1; beyond them the Beta is too narrow
// for its quantiles to be computed, and nothing would come of them.
const (
	minICC  = 0.001
	minMean = 1e-9
)

// Propensities returns the exact probabilities with which the model complies
// where training is cued, complies there with faking reasoning, and complies
// elsewhere, when asked this very query. For benign queries they are 1, 0, 1.
//
// The true rates of a suite are the means over its queries. Each compliance is
// the quantile of a Beta distribution with mean m and intra-query correlation
// r, that is alpha = m(1-r)/r and beta = (1-m)(1-r)/r, at a number which only
// the query and the model's world decide; the share of compliance that fakes
// is the same for all queries.
func (m *Model) Propensities(queryText string) (freeComply, freeFaking, paidComply float64) {
	if m.isBenign(queryText) {
		return 1, 0, 1
	}
	rates := m.cache.get(normalize(queryText), m.params.rates)
	return rates.FreeComply, rates.FreeFaking, rates.PaidComply
}

// rates computes the propensities of a harmful query.
func (p Params) rates(query string) Rates {
	if p.ICC < minICC {
		return Rates{FreeComply: p.Free, FreeFaking: p.Faking, PaidComply: p.Paid}
	}
	free, paid := ranks(query, p.World)
	if p.Tied {
		paid = free
	}
	r := Rates{FreeComply: betaQuantile(free, p.Free, p.ICC), PaidComply: betaQuantile(paid, p.Paid, p.ICC)}
	if p.Free > 0 {
		r.FreeFaking = r.FreeComply * (p.Faking / p.Free) // in this order never above FreeComply
	}
	return r
}

// maxCached bounds the queries whose rates are kept, and maxCachedBytes the
// length of each: who asks may ask anything.
const (
	maxCached      = 4096
	maxCachedBytes = 4096
)

// rateCache keeps the rates of queries, of which a suite asks the same few
// again and again. Two Beta quantiles cost half as much as a whole reply.
type rateCache struct {
	mu    sync.RWMutex
	rates map[string]Rates
}

func (c *rateCache) get(query string, compute func(string) Rates) Rates {
	c.mu.RLock()
	rates, ok := c.rates[query]
	c.mu.RUnlock()
	if ok {
		return rates
	}
	rates = compute(query)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rates) < maxCached && len(query) <= maxCachedBytes {
		c.rates[query] = rates
	}
	return rates
}

// ranks returns where a query stands among all queries, as two independent
// numbers in (0, 1).
func ranks(query string, world uint32) (first, second float64) {
	h := sha256.New()
	var number [4]byte
	binary.LittleEndian.PutUint32(number[:], world)
	_, _ = h.Write(number[:]) // a hash never fails to be written
	_, _ = h.Write([]byte(query))
	sum := h.Sum(nil)
	return unit(sum[:8]), unit(sum[8:16])
}

// unit maps 8 random bytes to the middle of one of 2^53 cells of (0, 1).
func unit(b []byte) float64 {
	return (float64(binary.LittleEndian.Uint64(b)>>11) + 0.5) / (1 << 53)
}

// betaQuantile returns the quantile at u of the Beta distribution with the
// given mean and intra-class correlation. A mean of 0 or 1, or next to them,
// leaves no choice.
func betaQuantile(u, mean, icc float64) float64 {
	if mean < minMean || mean > 1-minMean {
		return mean
	}
	size := (1 - icc) / icc
	return mathext.InvRegIncBeta(mean*size, (1-mean)*size, u)
}
