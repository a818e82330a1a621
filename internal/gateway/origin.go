package gateway

import (
	"net"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// sameOrigin keeps pages of other sites from using a browser to reach a server
// that has no authentication: requests that change something must not come from
// another origin, and, if loopbackOnly is set, no request may come under a
// name that is not loopback (DNS rebinding). Clients that are no browsers send
// neither header and are not affected.
func sameOrigin(loopbackOnly bool, next http.Handler) http.Handler {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusForbidden, withDetails(
			status.New(codes.PermissionDenied, "the request comes from another site, or under a host name that is not this server's"), "FOREIGN_ORIGIN"))
	})
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(refuse)
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if loopbackOnly && !loopbackHost(r.Host) {
			refuse(w, r)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

func loopbackHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
