/**
 * What other products call our settings, policies, commands and options: the foreign word in lower case without
 * punctuation, and our words for it. Which of them counts depends on what is known at the place.
 *
 * @see the documentation of nginx, HAProxy, Envoy, Traefik and Caddy.
 */
const words: readonly (readonly [ours: string, foreign: string])[] = [
  // Policies
  ["least-connections", "leastconn leastconns leastconnection leastrequest leastrequests lc wlc"],
  ["least-time", "leastlatency leastresponsetime fastest responsetime"],
  ["round-robin", "rr roundrobin staticrr simple"],
  ["weighted-round-robin", "wrr smoothweightedroundrobin swrr"],
  ["power-of-two", "p2c randomtwo poweroftwochoices twochoices randomchoose"],
  ["peak-ewma", "ewma p2cewma"],
  ["ip-hash", "iphash source sourceip clientip sourcehash srchash"],
  ["hash", "uri urihash urlhash headerhash queryhash consistenthash"],
  ["ring-hash", "ringhash ring consistent consistenthashing"],
  ["random", "rand"],
  // Sections and settings
  ["listen", "bind port address addr listeners entrypoints listenon"],
  ["--listen", "bind port addr address http host"],
  ["--admin", "statsport dashboard adminport metrics ui"],
  ["--registration", "registry announce"],
  ["--policy", "balance algorithm lbpolicy lbmethod method strategy"],
  ["--workers", "threads nbthread workerprocesses concurrency processes"],
  ["--config", "file configfile conf"],
  ["--rate", "rps qps requestspersecond"],
  ["--connections", "concurrency users clients"],
  ["--duration", "time runtime length"],
  ["policy", "balance algorithm lbpolicy lbmethod method strategy loadbalancing loadbalancer"],
  ["workers", "threads nbthread workerprocesses concurrency"],
  ["tls", "ssl https certificates certs"],
  ["pools", "upstreams upstream clusters cluster services backendpools groups"],
  ["pool", "upstream cluster service backend usebackend proxypass target"],
  ["routes", "routers rules locations location frontends virtualhosts vhosts paths"],
  ["checks", "healthcheck healthchecks check health probes httpchk optionhttpchk"],
  ["affinity", "sticky stickiness session sessions persistence stick cookie"],
  ["admin", "stats api dashboard metrics status"],
  ["trustedProxies", "realip setrealipfrom forwardedheaders trustedips trustproxy"],
  ["proxyProtocol", "acceptproxy proxyprotocolv2 sendproxy"],
  ["timeouts", "timeout"],
  ["limits", "limit max maxconn buffers"],
  ["resources", "capacities"],
  ["connect", "connecttimeout proxyconnecttimeout timeoutconnect dialtimeout"],
  ["responseHead", "server timeoutserver proxyreadtimeout readtimeout responseheadertimeout response"],
  ["clientHead", "client clientheadertimeout timeouthttprequest httprequest readheadertimeout header"],
  ["clientBody", "clientbodytimeout"],
  ["clientIdle", "keepalive keepalivetimeout idle idletimeout httpkeepalive timeouthttpkeepalive"],
  ["streamIdle", "tunnel timeouttunnel websocket streamidletimeout"],
  ["drain", "shutdown gracetimeout gracefulshutdown grace hardstopafter graceperiod terminationgraceperiod"],
  ["queue", "timeoutqueue"],
  ["connectionsMax", "maxconn maxconnections workerconnections connections"],
  ["connectionsPerBackendMax", "maxconnsperhost maxconnectionsperhost servermaxconn"],
  ["bodyBytesMax", "clientmaxbodysize maxbodysize maxrequestbodybytes bodymax"],
  ["headBytesMax", "maxheaderbytes largeclientheaderbuffers headersize maxheadersize"],
  ["attemptsMax", "retries attempts maxretries proxynextupstreamtries"],
  ["requestsPerConnectionMax", "keepaliverequests maxrequestsperconnection"],
  ["fall", "unhealthythreshold maxfails failures fails"],
  ["rise", "healthythreshold passes successes"],
  ["interval", "inter period every"],
  ["path", "uri url location prefix endpoint httpget"],
  ["address", "url uri addr host hostname server target endpoint"],
  ["host", "hostname servername domain"],
  ["underscores", "underscoresinheaders headerswithunderscoresaction"],
  ["trailers", "proxypasstrailers enabletrailers"],
  ["lenientHeads", "acceptinvalidhttpresponse acceptunsafeviolationsinhttpresponse"],
  ["cert", "certfile certificate crt sslcertificate publiccert chain"],
  ["key", "keyfile sslcertificatekey privatekey"],
  ["ca", "cafile cacert trustedca sslcafile proxyssltrustedcertificate"],
  ["verify", "skipverify insecureskipverify tlsinsecureskipverify proxysslverify insecure"],
  ["serverName", "sni servername proxysslname"],
  // Commands
  ["serve", "run start server proxy up"],
  ["validate", "check test configtest lint verify t"],
  ["spam", "load bench wrk ab hey loadtest attack"],
  ["sim", "simulate simulation rehearse"],
  ["demo", "example quickstart try"],
  ["policies", "algorithms strategies"],
]

/** Our words by the foreign one, in the order in which they are tried. */
export const foreignWords: ReadonlyMap<string, readonly string[]> = byForeignWord()

function byForeignWord(): Map<string, string[]> {
  const map = new Map<string, string[]>()
  for (const [ours, foreign] of words) {
    for (const word of foreign.split(" ")) map.set(word, [...(map.get(word) ?? []), ours])
  }
  return map
}
