package temporalserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

type ports struct{ frontend, http, history, matching, worker, ui int }

func choosePorts(o Options) (ports, error) {
	p := ports{frontend: o.FrontendPort, ui: o.UIPort}
	if err := free(o.FrontendPort, "--temporal-port"); err != nil {
		return p, err
	}
	if o.UIPort > 0 {
		if err := free(o.UIPort, "--ui-port"); err != nil {
			return p, err
		}
	}
	want := []*int{&p.http, &p.history, &p.matching, &p.worker}
	if p.frontend == 0 {
		want = append(want, &p.frontend)
	}
	if p.ui == 0 {
		want = append(want, &p.ui)
	}
	for _, port := range want {
		var err error
		if *port, err = FreePort(); err != nil {
			return p, err
		}
	}
	return p, nil
}

func free(port int, flag string) error {
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
	if err != nil {
		return fmt.Errorf("port %d cannot be used (%w); free it or choose another with %s", port, err, flag)
	}
	return l.Close()
}

// Ports of FreePort lie below those that systems give to whoever asks for any port. A
// server that finds its port taken ends its process.
const firstPort, afterPorts = 10_000, 32_000

// nextPort counts the ports that were given. It begins anywhere, for the sake of other
// processes that count too.
var nextPort = func() *atomic.Int64 {
	var n atomic.Int64
	n.Store(rand.Int64N(afterPorts - firstPort))
	return &n
}()

// FreePort is a port that nothing listens on. Nobody else is given it until it is used, or
// used again after a pause: neither another caller of this process nor who asks the system.
func FreePort() (int, error) {
	for range afterPorts - firstPort {
		port := firstPort + int(nextPort.Add(1)%(afterPorts-firstPort))
		if l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("all ports from %d to %d of %s are in use", firstPort, afterPorts-1, host)
}
