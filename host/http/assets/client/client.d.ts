/** Types of the browser client: of its own names, and of those that pages of happner and happn know. */

/** A component's methods. Give `connect` an interface of components to have them typed: `connect<{calc: Calc}>()`. */
export type Component = Record<string, (...args: any[]) => Promise<any>>;
export type Components = Record<string, Component>;
/** Makes every method of an interface answer with a promise. */
export type Remote<Api> = {
  [C in keyof Api]: {
    [M in keyof Api[C]]: Api[C][M] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
  };
};

export interface ConnectionOptions {
  /** `http://host:port`, `https:`, `ws:` or `wss:`. In a page its own origin, elsewhere `http://127.0.0.1:55000`. */
  url?: string;
  username?: string;
  password?: string;
  token?: string;
  /** Logs in with the token in the page's cookie, and keeps the token there. */
  useCookie?: boolean;
  cookieName?: string;
  /** Told to the host about this session. */
  info?: Record<string, unknown>;
  /** How long a request may take, in ms: 30000. */
  timeout?: number;
  connectTimeout?: number;
  /** A connection on which nothing is heard for so many ms is lost: 45000. */
  heartbeatTimeout?: number;
  /** false: a lost connection is the session's end. */
  reconnect?: boolean;
  backOff?: { minimum?: number; maximum?: number; factor?: number };
  /** The class to open sockets with, where the platform has none. */
  WebSocket?: any;
}

export interface ClientOptions extends ConnectionOptions {
  /** How long a call may take, in ms: 60000. */
  callTimeout?: number;
}

export interface Session {
  id: string;
  token?: string;
  user?: { username: string; [key: string]: unknown };
  happn: { name: string; secure: boolean };
  [key: string]: unknown;
}

export interface Meta {
  path: string;
  channel: string;
  action: string;
  componentVersion?: string;
  created?: number;
  modified?: number;
  [key: string]: unknown;
}

export type Handler<T = any> = (data: T, meta: Meta) => void;

export class MeshError extends Error {
  constructor(message: string, fields?: object);
  code?: string | number;
  [field: string]: unknown;
  static from(description: unknown): Error;
}

export interface Subscription {
  readonly channel: string;
  readonly active: boolean;
  off(): Promise<void>;
}
export declare const Subscription: { prototype: Subscription };

export interface DescribedComponent {
  name: string;
  version: string;
  methods: Record<string, { parameters: { name: string; [key: string]: unknown }[]; [key: string]: unknown }>;
  routes: Record<string, { type: string }>;
  events: Record<string, unknown>;
  data: Record<string, unknown>;
}

export interface Description {
  name: string;
  initializing: boolean;
  components: Record<string, DescribedComponent>;
  [key: string]: unknown;
}

export interface ConnectionEvents {
  connected: null;
  disconnected: { reason: string; reconnecting: boolean };
  reconnecting: { attempt: number; delay: number };
  reconnected: null;
  'session-ended': { reason: string };
  'subscription-lost': { channel: string; error: MeshError };
}

export interface ClientEvents extends ConnectionEvents {
  description: { description: Description; created: string[]; destroyed: string[]; changed: string[] };
}

declare class Events<Map> extends EventTarget {
  addEventListener<K extends keyof Map & string>(type: K, listener: (event: CustomEvent<Map[K]>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

export class Connection extends Events<ConnectionEvents> {
  constructor(options?: ConnectionOptions);
  readonly session: Session | null;
  readonly state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'ended';
  connect(): Promise<this>;
  request(action: string, path?: string, data?: unknown, options?: object): Promise<{ data: any; meta: any }>;
  on(channel: string, options: object, handler: Handler): Promise<Subscription>;
  disconnect(options?: DisconnectOptions): Promise<void>;
}

export interface DisconnectOptions {
  /** Nobody can log in with this session's token again. */
  revokeToken?: boolean;
  deleteCookie?: boolean;
}

export interface FindOptions {
  criteria?: object;
  fields?: Record<string, 1>;
  options?: { sort?: Record<string, 1 | -1>; limit?: number; skip?: number };
  timeout?: number;
}

export interface ChangeOptions {
  merge?: boolean;
  noStore?: boolean;
  noPublish?: boolean;
  consistency?: 0 | 1 | 2 | 3;
  /** Told what became of the publication, with `consistency` 0, 1 or 3. */
  onPublished?: (error: Error | null, result: { successful: number; failed: number; acknowledged?: number }) => void;
  timeout?: number;
  [option: string]: unknown;
}

export interface ListenOptions {
  event?: 'set' | 'remove' | 'all';
  /** How many segments a `**` at the end stands for, at most: 5. */
  depth?: number;
  count?: number;
  /** Hands over the documents that are there already. */
  initial?: boolean;
}

export class Data {
  get<T = any>(path: string, options?: FindOptions): Promise<T | null>;
  set<T = any>(path: string, value: unknown, options?: ChangeOptions): Promise<T>;
  remove(path: string, options?: FindOptions & ChangeOptions): Promise<number>;
  count(path: string, options?: FindOptions): Promise<number>;
  increment(path: string, counter?: string, by?: number): Promise<number>;
  on<T = any>(path: string, handler: Handler<T>): Promise<Subscription>;
  on<T = any>(path: string, options: ListenOptions, handler: Handler<T>): Promise<Subscription>;
}

export interface CallOptions {
  /** The npm range that the component's version must be in. */
  version?: string;
  timeout?: number;
  /** The user as whom the call is made, for those who may. */
  onBehalfOf?: string;
}

export interface EventOptions {
  version?: string;
  depth?: number;
  count?: number;
}

export class Client<Api = Components> extends Events<ClientEvents> {
  constructor(options?: ClientOptions);
  readonly name: string | null;
  readonly description: Description | null;
  readonly components: Api extends Components ? Api : Remote<Api>;
  readonly data: Data;
  readonly session: Session | null;
  readonly connected: boolean;
  connect(): Promise<this>;
  call<T = any>(component: string, method: string, args?: readonly unknown[], options?: CallOptions): Promise<T>;
  callAll(component: string, method: string, args?: readonly unknown[], options?: CallOptions): Promise<any[]>;
  on<T = any>(component: string, key: string, handler: Handler<T>): Promise<Subscription>;
  on<T = any>(component: string, key: string, options: EventOptions, handler: Handler<T>): Promise<Subscription>;
  once<T = any>(component: string, key: string, handler: Handler<T>): Promise<Subscription>;
  once<T = any>(component: string, key: string, options: EventOptions, handler: Handler<T>): Promise<Subscription>;
  off(subscription: Subscription): Promise<void>;
  disconnect(options?: DisconnectOptions): Promise<void>;
}

export function connect<Api = Components>(options?: ClientOptions): Promise<Client<Api>>;

export declare const semver: {
  satisfies(version: string, range: string): boolean;
  coercedSatisfies(version: string, range: string): boolean;
  coerce(text: string): string | null;
};

// What pages of happner and happn know. Their arguments are too free for more than this.

type Callback = (error: any, ...results: any[]) => void;

export interface HappnOptions extends ConnectionOptions {
  host?: string;
  hostname?: string;
  port?: number;
  protocol?: string;
  [option: string]: unknown;
}

export class Emitter {
  on(name: string, listener: (...args: any[]) => void): this;
  once(name: string, listener: (...args: any[]) => void): this;
  off(name: string, listener: (...args: any[]) => void): this;
  removeListener(name: string, listener: (...args: any[]) => void): this;
  removeAllListeners(name?: string): this;
  emit(name: string, ...args: any[]): boolean;
}

export class HappnClient {
  static create(options?: HappnOptions): Promise<HappnClient>;
  static create(options: HappnOptions, callback: Callback): void;
  readonly session: Session | null;
  get(path: string, ...more: any[]): any;
  set(path: string, data: any, ...more: any[]): any;
  remove(path: string, ...more: any[]): any;
  count(path: string, ...more: any[]): any;
  increment(path: string, ...more: any[]): any;
  getPaths(path: string, callback?: Callback): any;
  on(path: string, ...more: any[]): any;
  once(path: string, ...more: any[]): any;
  off(listener: number, callback?: Callback): any;
  offPath(path: string, callback?: Callback): any;
  offAll(callback?: Callback): any;
  onEvent(name: string, handler: (detail: any) => void): string;
  offEvent(number: string): void;
  disconnect(...more: any[]): any;
}

export class MeshClient extends Emitter {
  constructor(...options: (string | number | HappnOptions)[]);
  readonly exchange: any;
  readonly event: any;
  readonly data: HappnClient;
  readonly token?: string;
  readonly info?: { name: string; version?: string };
  login(credentials?: HappnOptions): Promise<void>;
  login(credentials: HappnOptions, callback: Callback): void;
  isConnected(): boolean;
  logout(callback?: Callback): any;
  disconnect(...more: any[]): any;
}

export class HappnerClient extends Emitter {
  constructor(options?: { requestTimeout?: number; responseTimeout?: number; [option: string]: unknown });
  connect(...more: any[]): any;
  construct(model: Record<string, { version: string; methods?: Record<string, object> }>): { exchange: any; event: any };
  dataClient(): HappnClient;
  disconnect(...more: any[]): any;
}

export class LightHappnerClient extends HappnerClient {
  readonly exchange: { $call(options: object, callback?: Callback): any };
  readonly event: any;
}

export declare const Happner: {
  MeshClient: typeof MeshClient;
  HappnerClient: typeof HappnerClient;
  LightHappnerClient: typeof LightHappnerClient;
  [name: string]: any;
};

/** There by name only: it throws, and says what to use. */
export declare function Primus(...args: unknown[]): never;

/** In a page with a plain script tag, everything above is in the global `Mesh`. */
export as namespace Mesh;
