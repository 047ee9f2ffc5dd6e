package jetstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"meshsim/appender/jetstream/embedded"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	tb   testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	a := &authority{tb: tb, dir: tb.TempDir()}
	a.cert, a.key = a.make("ca", &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// make writes name.pem and name.key.
func (a *authority) make(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.tb, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a.tb, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.tb, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.tb, err)
	for suffix, block := range map[string]*pem.Block{
		".pem": {Type: "CERTIFICATE", Bytes: der},
		".key": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		require.NoError(a.tb, os.WriteFile(a.file(name+suffix), pem.EncodeToMemory(block), 0o600))
	}
	return cert, key
}

// works opens and appends.
func works(t *testing.T, o Options) {
	t.Helper()
	o.MaxRecords = 10
	a, err := Open(context.Background(), testEnv(1), o)
	require.NoError(t, err)
	require.NoError(t, a.Append(context.Background(), numbered(1, 1)[0]))
	require.NoError(t, a.Close())
	require.Len(t, content(t, o, "n1"), 1)
}

// refusedWith does not open, and says why on one line, without a password.
func refusedWith(t *testing.T, o Options, text string) {
	t.Helper()
	o.MaxRecords = 10
	o.Timeout = time.Second
	_, err := Open(context.Background(), testEnv(1), o)
	require.ErrorContains(t, err, text)
	require.NotContains(t, err.Error(), "\n")
	require.NotContains(t, err.Error(), "secret")
	t.Log(err)
}

func TestServersAreCheckedAndClientsIdentifiedByCertificates(t *testing.T) {
	ca := newAuthority(t)
	ca.make("server", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	ca.make("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	cert, err := tls.LoadX509KeyPair(ca.file("server.pem"), ca.file("server.key"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir(), TLS: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	require.NoError(t, err)
	defer srv.Shutdown()
	o := Options{URL: srv.URL(), CA: ca.file("ca.pem"), Cert: ca.file("client.pem"), Key: ca.file("client.key")}
	works(t, o)

	stranger := newAuthority(t)
	stranger.make("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	untrusted := o
	untrusted.CA = stranger.file("ca.pem")
	refusedWith(t, untrusted, "certificate is not trusted")
	unknown := o
	unknown.Cert, unknown.Key = stranger.file("client.pem"), stranger.file("client.key")
	refusedWith(t, unknown, "jetstream: tls://127.0.0.1")
	half := o
	half.Key = ""
	refusedWith(t, half, "both Cert and Key")
}

func TestUsersAreKnownByPasswordOrNot(t *testing.T) {
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir(), User: "mesh", Password: "secret"})
	require.NoError(t, err)
	defer srv.Shutdown()
	works(t, Options{URL: srv.URL(), User: "mesh", Password: "secret"})
	host := srv.URL()[len("nats://"):]
	works(t, Options{URL: "nats://mesh:secret@" + host, Prefix: "other"})
	refusedWith(t, Options{URL: srv.URL(), User: "mesh", Password: "wrong"}, "does not know these credentials")
	refusedWith(t, Options{URL: srv.URL()}, "does not know these credentials")
	refusedWith(t, Options{URL: "nats://other:secret@" + host}, "does not know these credentials")
}

// startRaw runs a server with options that package embedded does not have.
func startRaw(t *testing.T, o *server.Options) string {
	o.Host, o.Port, o.StoreDir, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true, true
	srv, err := server.NewServer(o)
	require.NoError(t, err)
	srv.Start()
	require.True(t, srv.ReadyForConnections(10*time.Second))
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	return srv.ClientURL()
}

func TestUsersAreKnownByNKeyAndByToken(t *testing.T) {
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := user.PublicKey()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "user.nk")
	require.NoError(t, os.WriteFile(file, seed, 0o600))
	url := startRaw(t, &server.Options{JetStream: true, Nkeys: []*server.NkeyUser{{Nkey: public}}})
	works(t, Options{URL: url, NKey: file})
	refusedWith(t, Options{URL: url}, "does not know these credentials")
	refusedWith(t, Options{URL: url, NKey: file + ".not"}, "no such file")

	url = startRaw(t, &server.Options{JetStream: true, Authorization: "secret"})
	works(t, Options{URL: url, Token: "secret"})
	refusedWith(t, Options{URL: url, Token: "wrong"}, "does not know these credentials")
}

func TestUsersAreKnownByCredentials(t *testing.T) {
	operator, err := nkeys.CreateOperator()
	require.NoError(t, err)
	account := func(name string, js bool) (nkeys.KeyPair, string, string) {
		key, err := nkeys.CreateAccount()
		require.NoError(t, err)
		public, err := key.PublicKey()
		require.NoError(t, err)
		claims := jwt.NewAccountClaims(public)
		claims.Name = name
		if js {
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1}
		}
		token, err := claims.Encode(operator)
		require.NoError(t, err)
		return key, public, token
	}
	_, systemPublic, systemToken := account("SYS", false)
	key, public, token := account("mesh", true)
	resolver := &server.MemAccResolver{}
	require.NoError(t, resolver.Store(public, token))
	require.NoError(t, resolver.Store(systemPublic, systemToken))
	operatorPublic, err := operator.PublicKey()
	require.NoError(t, err)
	claims := jwt.NewOperatorClaims(operatorPublic)
	claims.SystemAccount = systemPublic
	url := startRaw(t, &server.Options{
		JetStream: true, TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: resolver, SystemAccount: systemPublic,
	})

	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	userPublic, err := user.PublicKey()
	require.NoError(t, err)
	userToken, err := jwt.NewUserClaims(userPublic).Encode(key)
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	creds, err := jwt.FormatUserConfig(userToken, seed)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "user.creds")
	require.NoError(t, os.WriteFile(file, creds, 0o600))
	works(t, Options{URL: url, Creds: file})
	refusedWith(t, Options{URL: url}, "does not know these credentials")
}

func TestWhatIsWrongWithTheServersIsSaidInOneLine(t *testing.T) {
	refusedWith(t, Options{URL: "nats://u:secret@" + freeAddress(t)}, "no server answers there")
	plain := startRaw(t, &server.Options{})
	refusedWith(t, Options{URL: plain}, "without JetStream")
	url := startServer(t).URL()
	refusedWith(t, Options{URL: url, Replicas: 3}, "not as many servers as Replicas")
	refusedWith(t, Options{URL: url, Replicas: 6}, "want 1 to 5")
	refusedWith(t, Options{URL: url, Prefix: "a..b"}, "want tokens")
	refusedWith(t, Options{URL: url, Prefix: "a.*"}, "want tokens")
	refusedWith(t, Options{URL: url, InFlight: MaxInFlight + 1}, "in flight")
	refusedWith(t, Options{URL: url, DedupeWindow: time.Millisecond}, "dedupe window")

	restricted := startRaw(t, &server.Options{JetStream: true, Users: []*server.User{{
		Username: "mesh", Password: "secret",
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.CREATE.>"}}},
	}}})
	refusedWith(t, Options{URL: restricted, User: "mesh", Password: "secret"}, "permissions violation")

	conn, err := nats.Connect(url)
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "all", Subjects: []string{"taken.>"}})
	require.NoError(t, err)
	refusedWith(t, Options{URL: url, Prefix: "taken"}, "choose another Prefix")
}

func TestAUserNeedsNoMorePermissionsThanAreDocumented(t *testing.T) {
	url := startRaw(t, &server.Options{JetStream: true, Users: []*server.User{{
		Username: "mesh", Password: "secret",
		Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				"log.>", "$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.MSG.GET.>", "$JS.API.CONSUMER.>",
				"$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.NAMES",
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		},
	}}})
	o := Options{URL: url, User: "mesh", Password: "secret"}
	works(t, o)
	o.Update, o.MaxRecords = true, 20
	_, err := open(t, testEnv(2), o).AppendBatch(context.Background(), numbered(1, 9))
	require.NoError(t, err)
	chains, err := Nodes(context.Background(), o)
	require.NoError(t, err)
	require.Len(t, chains, 1)
	require.EqualValues(t, 9, chains[0].Retained)
}

func TestAStreamWithOtherLimitsIsRefusedOrChanged(t *testing.T) {
	url := startServer(t).URL()
	o := Options{URL: url, MaxRecords: 100}
	a := open(t, testEnv(1), o)
	_, err := a.AppendBatch(context.Background(), numbered(1, 100))
	require.NoError(t, err)
	for field, other := range map[string]Options{
		"MaxRecords":   {URL: url, MaxRecords: 10},
		"DedupeWindow": {URL: url, MaxRecords: 100, DedupeWindow: time.Minute},
		"storage":      {URL: url, MaxRecords: 100, Memory: true},
	} {
		_, err := Open(context.Background(), testEnv(1), other)
		var ce *ConfigError
		require.ErrorAs(t, err, &ce)
		require.Equal(t, field, ce.Field)
		require.NotContains(t, err.Error(), "\n")
	}
	require.Len(t, content(t, o, "n1"), 100, "a refusal dropped records")
	for _, limit := range []int{10, 50} {
		o.MaxRecords, o.Update = limit, true
		b := open(t, testEnv(2), o)
		require.Len(t, content(t, o, "n1"), 10)
		require.EqualValues(t, 90, b.Dropped())
	}
	o.Unlimited = true
	b := open(t, testEnv(2), o)
	_, err = b.AppendBatch(context.Background(), numbered(101, 300))
	require.NoError(t, err)
	require.EqualValues(t, 90, b.Dropped())
	require.Len(t, content(t, o, "n1"), 210)
}

func TestAMemoryStreamWorksToo(t *testing.T) {
	works(t, Options{URL: startServer(t).URL(), Memory: true})
}

func TestWithSyncAlwaysEverythingAcknowledgedIsDurable(t *testing.T) {
	srv, err := embedded.Start(embedded.Options{Dir: t.TempDir(), SyncAlways: true})
	require.NoError(t, err)
	defer srv.Shutdown()
	a := open(t, testEnv(1), Options{URL: srv.URL(), MaxRecords: 3, SyncAlways: true})
	_, err = a.AppendBatch(context.Background(), numbered(1, 5))
	require.NoError(t, err)
	end, durable := a.Position()
	require.EqualValues(t, 5, end)
	require.EqualValues(t, 5, durable)
}

// elsewhere is a context whose deadline is one of a clock that is far behind.
type elsewhere struct{ context.Context }

func (elsewhere) Deadline() (time.Time, bool) { return time.Unix(0, 0), true }

func TestADeadlineOfAnotherClockLeavesTimeToConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a server that never says a word
	require.NoError(t, err)
	defer l.Close()
	began := time.Now()
	const timeout = 50 * time.Millisecond
	_, err = Open(elsewhere{context.Background()}, testEnv(1), Options{URL: "nats://" + l.Addr().String(), Timeout: timeout})
	require.Error(t, err)
	require.GreaterOrEqual(t, time.Since(began), timeout, "it was waited for as long as Options say")
}
