package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

// authority is the lease's own: its key is made here and lives as long as the process.
type authority struct {
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
	pem  string
}

func newAuthority() *authority {
	key, leaf := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), template("PocketCoder, one lease of the network")
	leaf.IsCA, leaf.KeyUsage = true, x509.KeyUsageCertSign
	der := must(x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key))
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &authority{key, must(x509.ParseCertificate(der)), string(text)}
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))), Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(25 * time.Hour),
	}
}

// issue makes the certificate of whatever name a client asks for: what is asked of it is judged then.
func (a *authority) issue(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	key, leaf := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), template("")
	leaf.DNSNames, leaf.KeyUsage = []string{hello.ServerName}, x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.leaf, &key.PublicKey, a.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// tunnel is what came by CONNECT, and where to.
type tunnel struct {
	net.Conn
	to string
}

// tunnels is the listener of the server that ends TLS.
type tunnels chan net.Conn

func (t tunnels) Accept() (net.Conn, error) { return <-t, nil }
func (t tunnels) Close() error              { return nil }
func (t tunnels) Addr() net.Addr            { return &net.UnixAddr{} }

type tunnelKey struct{}

func server(handle http.HandlerFunc) *http.Server {
	return &http.Server{
		Handler: handle, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16,
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// serve ends each tunnel's TLS, judges every request in it, and sends on those that the lease covers.
func serve(listener net.Listener, l *lease, m *meter, ca *authority) error {
	out := forward(l, m)
	inner := server(func(w http.ResponseWriter, q *http.Request) {
		to, _ := q.Context().Value(tunnelKey{}).(string)
		if r := l.covering(q, to); r != nil {
			out.ServeHTTP(w, q.WithContext(context.WithValue(q.Context(), ruleKey{}, r)))
			return
		}
		refuse(w, q, http.StatusForbidden, "no lease covers it", "no lease covers "+asked(q)+". The tool `network` asks the owner for one.")
	})
	inner.TLSConfig = &tls.Config{GetCertificate: ca.issue, MinVersion: tls.VersionTLS12}
	inner.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, tunnelKey{}, c.(*tls.Conn).NetConn().(*tunnel).to)
	}
	connects := make(tunnels)
	go inner.ServeTLS(connects, "", "")
	return server(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodConnect {
			http.Error(w, "PocketCoder: a lease covers https alone.", http.StatusForbidden)
			return
		}
		conn, early, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		if early.Reader.Buffered() > 0 { // nobody speaks before the answer
			conn.Close()
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		connects <- &tunnel{conn, q.Host}
	}).Serve(listener)
}

func asked(q *http.Request) string { return q.Method + " https://" + q.Host + q.URL.EscapedPath() }

// refuse tells the executor why not, and whoever asked: npm prints what JSON says, others print text.
func refuse(w http.ResponseWriter, q *http.Request, status int, why, sentence string) {
	refused(asked(q), why)
	if !strings.Contains(q.Header.Get("Accept"), "json") {
		http.Error(w, "PocketCoder: "+sentence, status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": "PocketCoder: " + sentence})
}

// forward sends requests on to the host that they name.
func forward(l *lease, m *meter) http.Handler {
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "https", p.In.TLS.ServerName, p.In.TLS.ServerName
			p.Out.URL.RawQuery = p.In.URL.RawQuery // as it was judged
			l.show(p.Out)
		},
		Transport: quiet{l, l.transport(m)},
		ErrorHandler: func(w http.ResponseWriter, q *http.Request, err error) {
			refuse(w, q, http.StatusBadGateway, err.Error(), err.Error()+".")
		},
	}
}

// transport is the way to a host, by an address of the outside that its name leads to; it verifies that it is that host.
func (l *lease) transport(m *meter) *http.Transport {
	roots := must(x509.SystemCertPool())
	roots.AppendCertsFromPEM([]byte(l.Roots))
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
		TLSHandshakeTimeout: 15 * time.Second, MaxResponseHeaderBytes: 1 << 16,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return l.dial(ctx, strings.TrimSuffix(address, ":443"), m)
		},
	}
}
