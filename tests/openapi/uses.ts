// What an app in TypeScript writes against the types that are made of docs/openapi.yaml. It is only
// compiled: a schema that says nothing, or an operation without a name, makes an error here.
import type { components, operations, paths } from "./types";

type Status = paths["/v1/status"]["get"]["responses"]["200"]["content"]["application/json"];
type Refs = operations["listRefs"]["responses"]["200"]["content"]["application/json"];
type NewLink = NonNullable<operations["createLink"]["requestBody"]>["content"]["application/json"];

export function keysOf(page: Refs): string[] {
  return [...(page.items ?? []).map((ref) => ref.key ?? ""), ...(page.prefixes ?? [])];
}

export const link: NewLink = { group: "00", key: "photos/a.jpg", expires: "7d" };

export function messageOf(error: components["schemas"]["Error"]): string {
  return `${error.error?.code}: ${error.error?.message} (${error.error?.request_id})`;
}

export function nameOf(status: Status): string | undefined {
  return status.name;
}

// Wrong on purpose: what is not described must not compile.
// @ts-expect-error
export const wrong: NewLink = { group: "00", colour: "red" };
