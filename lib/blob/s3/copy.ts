import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type S3Client,
} from "@aws-sdk/client-s3";

/** S3's limit for one CopyObject request. */
export const COPY_BYTES_MAX = 5 * 1024 ** 3;
const PART_BYTES = 1024 ** 3;

export interface Copy {
  Bucket: string;
  Key: string;
  CopySource: string;
  CopySourceIfMatch: string;
}

/**
 * Copies an object on the server, part by part; the copy becomes visible when complete. Tests set
 * `partBytes`.
 */
export async function copyLarge(
  client: S3Client,
  copy: Copy,
  sizeBytes: number,
  partBytes = PART_BYTES,
): Promise<void> {
  const { Bucket, Key } = copy;
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  try {
    const Parts: CompletedPart[] = [];
    for (let start = 0; start < sizeBytes; start += partBytes) {
      const CopySourceRange = `bytes=${start}-${Math.min(start + partBytes, sizeBytes) - 1}`;
      const PartNumber = Parts.length + 1;
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({ ...copy, UploadId, PartNumber, CopySourceRange }),
      );
      Parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => undefined);
    throw error;
  }
}
