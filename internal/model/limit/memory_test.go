package limit

import (
	"context"
	"errors"
	"sync"
	"time"
)

// memory is a ledger in memory; its calls take some time, and it can be away.
type memory struct {
	mu       sync.Mutex
	accounts map[string]*Account
	takes    time.Duration
	away     bool
	reports  int
}

var errAway = errors.New("the ledger is away")

func newMemory() *memory {
	return &memory{accounts: map[string]*Account{}, takes: 3 * time.Millisecond}
}

func (m *memory) with(endpoint string, f func(*Account)) error {
	time.Sleep(m.takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports++
	if m.away {
		return errAway
	}
	a := m.accounts[endpoint]
	if a == nil {
		a = NewAccount()
		m.accounts[endpoint] = a
	}
	f(a)
	return nil
}

func (m *memory) set(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memory) Renew(_ context.Context, endpoint string, r Report) (g Grant, err error) {
	if e := m.with(endpoint, func(a *Account) { g, err = a.Renew(time.Now(), r) }); e != nil {
		return Grant{}, e
	}
	return g, err
}

func (m *memory) Leave(_ context.Context, endpoint string, r Report) error {
	return m.with(endpoint, func(a *Account) { a.Leave(time.Now(), r) })
}

// heard counts the reports so far.
func (m *memory) heard() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reports
}
