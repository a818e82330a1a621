package transport

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Dial has a client reach servers by a function of the test.
func (c *Client) Dial(dial func(context.Context, string, string) (net.Conn, error)) {
	c.pool.DialContext = dial
}

// Trust has a client trust what cfg trusts.
func (c *Client) Trust(cfg *tls.Config) { c.pool.TLSClientConfig = cfg }

// WaitForFailures has a client wait so long for the bodies of failures.
func (c *Client) WaitForFailures(d time.Duration) { c.failureWait = d }
