// The end of the ES module: the parts before it have made `Mesh`, here it gets names to import.
export const {
  connect, Client, Connection, Data, MeshError, Subscription, semver, HappnClient, MeshClient, HappnerClient, LightHappnerClient, Happner, Primus,
} = globalThis.Mesh;
