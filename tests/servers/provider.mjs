// An OpenID provider for the tests: oidc-provider with the device flow, JWT access tokens and refresh-token rotation.
//
//   node provider.mjs CERTIFICATE.pem AUDIENCE READY-FD
//
// Listens on a free port of 127.0.0.1 over TLS and writes one line of JSON to READY-FD: {"issuer": "https://localhost:PORT"}.
// Anybody may log in under any name, through the provider's own pages. Ends on SIGTERM.
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeSync, closeSync } from 'node:fs'
import { createServer } from 'node:https'
import Provider from 'oidc-provider'

const [certificate, audience, ready] = process.argv.slice(2)
const pem = readFileSync(certificate)
const server = createServer({ key: pem, cert: pem })
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `https://localhost:${server.address().port}`

const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
const storage = { // the door: what its tokens look like
  audience,
  scope: 'storage.read:/ storage.modify:/',
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'RS256' } },
}

// `short-lived` is the same client with tokens that expire while one looks on; `plain` is one with a secret.
const client = (client_id) => ({
  client_id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  response_types: [],
  redirect_uris: [],
})
const confidential = {
  ...client('plain'),
  application_type: 'web',
  client_secret: 'plain-secret',
  token_endpoint_auth_method: 'client_secret_basic',
}
const lifetime = (_, token) => (token.clientId === 'short-lived' ? 9 : 600)

const provider = new Provider(issuer, {
  clients: [client('ctadata-tests'), client('short-lived'), confidential],
  jwks: { keys: [{ ...signing, use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['only for the tests'] },
  features: {
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      getResourceServerInfo: () => storage,
      useGrantedResource: () => true,
    },
  },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, preferred_username: accountId }) }),
  extraTokenClaims: (_, token) => ({ preferred_username: token.accountId }),
  rotateRefreshToken: true,
  ttl: { AccessToken: lifetime, DeviceCode: 600, Grant: 86400, IdToken: 600, Interaction: 600, RefreshToken: 86400, Session: 600 },
})
provider.use(async (ctx, next) => { // it omits `interval`, for which RFC 8628 means 5 s: too long for a test
  await next()
  if (ctx.oidc?.route === 'device_authorization' && ctx.status === 200) ctx.body.interval = 1
})

server.on('request', provider.callback())
process.on('SIGTERM', () => process.exit(0))
writeSync(Number(ready), JSON.stringify({ issuer }) + '\n')
closeSync(Number(ready))
