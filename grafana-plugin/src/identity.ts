/** shortIdentity is the part of an identity's key that a person reads. */
export function shortIdentity(key: string): string {
  const m = /^(?:arn:[^:]*:[^:]*:[^:]*:(\d*):|acs:ram::(\d*):)(.*)$/.exec(key);
  if (!m) {
    return key;
  }
  const [, aws, alibaba, rest] = m;
  // What two accounts may share is told apart by the account.
  return rest === 'root' ? `root of ${aws || alibaba}` : rest.replace(/^(user|role|assumed-role|federated-user)\//, '');
}
