package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmask-eval/unmask/internal/run"
)

// WatchModels registers gauges of how endpoints are called. list is asked whenever
// the metrics are read.
func (m *Metrics) WatchModels(list func() []run.ModelInfo) {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"model"}, nil)
	}
	m.Registry.MustRegister(&modelCollector{
		list:     list,
		limit:    desc("unmask_model_concurrency_limit", "Most calls in flight to the endpoint of a model, for now."),
		inFlight: desc("unmask_model_calls_in_flight", "Calls in flight to the endpoint of a model."),
		waiting:  desc("unmask_model_calls_waiting", "Calls that wait for the endpoint of a model."),
		refusing: desc("unmask_model_refusing", "1 while the endpoint of a model refuses for the rate, or was not available many times in a row."),
		share:    desc("unmask_model_concurrency_share", "Most calls in flight to the endpoint of a model that other processes leave to this one."),
		sharing:  desc("unmask_model_processes", "Processes that share the limits of the endpoint of a model, as far as this one knows."),
		expired:  desc("unmask_model_share_expired", "1 while this process could not renew its share of the limits, and does not call."),
	})
}

type modelCollector struct {
	list                               func() []run.ModelInfo
	limit, inFlight, waiting, refusing *prometheus.Desc
	// share, sharing and expired are there where limits are shared.
	share, sharing, expired *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *modelCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.limit
	ch <- c.inFlight
	ch <- c.waiting
	ch <- c.refusing
	ch <- c.share
	ch <- c.sharing
	ch <- c.expired
}

// Collect implements prometheus.Collector.
func (c *modelCollector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.list() {
		if m.Load == nil {
			continue
		}
		gauge := func(d *prometheus.Desc, v int) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), m.ID)
		}
		gauge(c.limit, m.Load.Limit)
		gauge(c.inFlight, m.Load.InFlight)
		gauge(c.waiting, m.Load.Waiting)
		is := func(b bool) int {
			if b {
				return 1
			}
			return 0
		}
		gauge(c.refusing, is(m.Load.Refusing || m.Load.Unavailable))
		if m.Load.Processes > 0 {
			gauge(c.share, m.Load.Share)
			gauge(c.sharing, m.Load.Processes)
			gauge(c.expired, is(m.Load.ShareExpired))
		}
	}
}
