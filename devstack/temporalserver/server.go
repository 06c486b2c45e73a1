// Package temporalserver runs a Temporal server and its Web UI inside this
// process, on a SQLite file. The devstack and the end-to-end tests use it; the
// root module does not depend on it.
package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Options of a server.
type Options struct {
	Dir              string // of the SQLite file temporal.db
	FrontendPort     int    // 0 = a free one
	UIPort           int    // 0 = a free one, -1 = no Web UI
	CodecEndpoint    string // address that opens payloads for the Web UI; "" = none
	Namespace        string
	Retention        time.Duration // of closed workflows
	SearchAttributes map[string]enumspb.IndexedValueType
	Dynamic          map[string]any // dynamic configuration, above ours
}

// Server is a server that runs.
type Server struct {
	address, ui string
	temporal    temporal.Server
	uiServer    *server.Server
}

const host = "127.0.0.1"

// Start starts the server and waits until it answers. An error names the port or folder
// that is the problem.
func Start(ctx context.Context, o Options) (*Server, error) {
	ports, err := choosePorts(o)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("the folder for Temporal's state: %w; choose one you may write to", err)
	}
	sql := &config.SQL{
		PluginName: sqlite.PluginName, DatabaseName: filepath.Join(o.Dir, "temporal.db"),
		ConnectAttributes: map[string]string{"mode": "rwc", "journal_mode": "wal", "synchronous": "normal"},
	}
	if err := prepare(sql, o); err != nil {
		return nil, err
	}
	cfg := serverConfig(sql, ports)
	s := &Server{address: fmt.Sprintf("%s:%d", host, ports.frontend)}
	if s.temporal, err = newServer(cfg, ports, o.Dynamic); err != nil {
		return nil, fmt.Errorf("building the Temporal server: %w", err)
	}
	if err := s.temporal.Start(); err != nil {
		return nil, fmt.Errorf("starting the Temporal server: %w", err)
	}
	if err := s.ready(ctx, o); err != nil {
		s.Stop()
		return nil, err
	}
	if o.UIPort >= 0 {
		s.startUI(ports, o)
	}
	return s, nil
}

// Address is the frontend's host and port.
func (s *Server) Address() string { return s.address }

// UIURL is the address of the Web UI; "" without one.
func (s *Server) UIURL() string { return s.ui }

// Stop stops the server. Workflows go on at the next start on the same file.
func (s *Server) Stop() {
	if s.uiServer != nil {
		s.uiServer.Stop()
	}
	_ = s.temporal.Stop()
}

// prepare creates schema and namespace in a new file.
func prepare(sql *config.SQL, o Options) error {
	if _, err := os.Stat(sql.DatabaseName); errors.Is(err, os.ErrNotExist) {
		if err := sqliteschema.SetupSchema(sql); err != nil {
			return fmt.Errorf("creating Temporal's database %s: %w; choose a folder you may write to", sql.DatabaseName, err)
		}
	}
	ns, err := sqliteschema.NewNamespaceConfig("active", o.Namespace, false, o.SearchAttributes)
	if err != nil {
		return fmt.Errorf("describing namespace %s: %w", o.Namespace, err)
	}
	if o.Retention > 0 {
		ns.Detail.Config.Retention = durationpb.New(o.Retention)
	}
	if err := sqliteschema.CreateNamespaces(sql, ns); err != nil {
		return fmt.Errorf("creating namespace %s in %s: %w", o.Namespace, sql.DatabaseName, err)
	}
	return nil
}

func serverConfig(sql *config.SQL, p ports) *config.Config {
	service := func(port int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
	}
	cfg := &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: host}},
		Persistence: config.Persistence{
			DefaultStore: "sqlite", VisibilityStore: "sqlite", NumHistoryShards: 1,
			DataStores: map[string]config.DataStore{"sqlite": {SQL: sql}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
			ClusterInformation: map[string]cluster.ClusterInformation{"active": {
				Enabled: true, InitialFailoverVersion: 1, RPCAddress: fmt.Sprintf("%s:%d", host, p.frontend),
				HTTPAddress: fmt.Sprintf("%s:%d", host, p.http), ClusterID: "c5a0e5a0-0000-4000-8000-000000000001",
			}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival:            config.Archival{History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"}},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History: config.HistoryArchivalNamespaceDefaults{State: "disabled"}, Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: fmt.Sprintf("%s:%d", host, p.frontend)},
		Services: map[string]config.Service{
			"frontend": service(p.frontend), "history": service(p.history), "matching": service(p.matching), "worker": service(p.worker),
		},
	}
	front := cfg.Services["frontend"]
	front.RPC.HTTPPort = p.http
	cfg.Services["frontend"] = front
	return cfg
}

// newServer builds the server with higher limits for its one shard. With the default
// limits, a sequential workflow runs about 18 activities a second at most.
func newServer(cfg *config.Config, p ports, above map[string]any) (temporal.Server, error) {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Stdout: false, OutputFile: os.DevNull, Level: "fatal"}))
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, err
	}
	mapper, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, logger)
	if err != nil {
		return nil, err
	}
	dynamic := dynamicconfig.StaticClient{}
	for key, value := range map[string]any{
		"history.transferProcessorMaxPollRPS": 1000, "history.timerProcessorMaxPollRPS": 1000,
		"history.visibilityProcessorMaxPollRPS": 1000, "history.outboundProcessorMaxPollRPS": 1000,
		"frontend.namespaceRPS.visibility": 100, "system.forceSearchAttributesCacheRefreshOnRead": true,
		"frontend.WorkflowPauseEnabled": true,
	} {
		dynamic[dynamicconfig.MakeKey(key)] = value
	}
	for key, value := range above {
		dynamic[dynamicconfig.MakeKey(key)] = value
	}
	at := func(port int) static.Hosts { return static.SingleLocalHost(fmt.Sprintf("%s:%d", host, port)) }
	return temporal.NewServer(
		temporal.WithConfig(cfg), temporal.ForServices(temporal.DefaultServices), temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return mapper }),
		temporal.WithDynamicConfigClient(dynamic),
		temporal.WithStaticHosts(map[primitives.ServiceName]static.Hosts{
			primitives.FrontendService: at(p.frontend), primitives.HistoryService: at(p.history),
			primitives.MatchingService: at(p.matching), primitives.WorkerService: at(p.worker),
		}),
	)
}

// ready waits until the frontend answers, then adds the search attributes that are
// missing. A file of an older version may lack some.
func (s *Server) ready(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: s.address, Namespace: o.Namespace, Logger: quiet{}})
		if err == nil {
			defer c.Close()
			if err = addSearchAttributes(ctx, c, o); err == nil {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the Temporal server does not become ready: %w", err)
		}
	}
}

// addSearchAttributes adds search attributes. It waits for the operator service, which
// comes up after the frontend.
func addSearchAttributes(ctx context.Context, c client.Client, o Options) error {
	if len(o.SearchAttributes) == 0 { // the server refuses an empty list
		_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
		return err
	}
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: o.Namespace, SearchAttributes: o.SearchAttributes,
	})
	return err
}

func (s *Server) startUI(p ports, o Options) {
	s.uiServer = server.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		Host: host, Port: p.ui, TemporalGRPCAddress: s.address, EnableUI: true, DefaultNamespace: o.Namespace,
		CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true, DisableNewsFetch: true,
		Codec: uiconfig.Codec{Endpoint: o.CodecEndpoint},
	}))
	s.ui = fmt.Sprintf("http://%s:%d", host, p.ui)
	go func() { _ = s.uiServer.Start() }()
}

// quiet drops the SDK's log lines of the probe.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
